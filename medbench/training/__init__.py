"""What trains models: estimates, examples, methods and the loop."""
