#!/bin/sh
# At the first start: a database and a role for Airflow, and for MLflow; neither role can look into the other's.
set -eu

own_database() {
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
        --set=name="$1" --set=password="$2" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT, TEMPORARY ON DATABASE :"name" FROM PUBLIC;
SQL
}

own_database airflow "$AIRFLOW_DB_PASSWORD"
own_database mlflow "$MLFLOW_DB_PASSWORD"
