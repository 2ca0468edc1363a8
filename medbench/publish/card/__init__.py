"""The model card: what somebody must know who wants to use, judge or repeat a model."""
