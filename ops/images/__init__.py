"""The images of stages and of Airflow: what they hold, what they are built from, and what they say about themselves."""
