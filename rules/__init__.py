"""What is wrong: the policy, the law of places, the as-of timeline, and one file a rule. Pure: time is passed in."""
