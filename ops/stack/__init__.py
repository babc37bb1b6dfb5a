"""The whole service in containers on one machine: its settings, its images, its beginning and its end."""
