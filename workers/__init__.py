"""The work: what runs inside a Celery process, and the pure morphometry core."""
