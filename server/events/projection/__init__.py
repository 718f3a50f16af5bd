"""What events mean: the live picture, a conference's summary and timeline, one event in words.

Nothing is imported here: `plain` and `lines` are wanted from the start, the rest only once there is an event.
"""
