"""What ragfood does, without a screen: asking, searching, ingesting, transferring, evaluating, diagnosing."""
