"""What `spondyl doctor` examines: each check says what it found and, where it failed, what to do."""
