"""The state that follows from events: live conferences and queues, timelines, and events in words.

Nothing is imported here, because most of it is loaded only when the first event arrives.
"""
