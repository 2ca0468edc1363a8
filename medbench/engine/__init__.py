"""What runs models: the tasks that lm-eval loads, the model classes, the evaluation."""
