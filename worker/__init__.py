"""What runs a stage wherever it runs: as a process, in a container, in a pod. Knows DVC, knows no Airflow."""
