# Where stages are started, recorded and promoted: Airflow, MLflow, DVC, boto3 and the clients of Docker and Kubernetes.
# No torch. One image for every service of Airflow and for MLflow's server: the command decides.
# `make images` builds it, from a folder of its own (ops/images/context.py); docker/README.md says more.
ARG BASE_IMAGE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
FROM ${BASE_IMAGE}

RUN printf 'evenvoice:x:10001:10001::/tmp:/usr/sbin/nologin\n' >> /etc/passwd \
    && printf 'evenvoice:x:10001:\n' >> /etc/group

# as in stage.Dockerfile
RUN --mount=type=bind,source=locks,target=/locks \
    --mount=type=bind,source=wheels,target=/wheels \
    --mount=type=secret,id=pip,target=/run/secrets/pip.conf \
    --mount=type=secret,id=certificates,target=/run/secrets/certificates.pem \
    python3 -m venv /tmp/pip \
    && python3 -m venv --without-pip /opt/venv \
    && PIP_CONFIG_FILE=/run/secrets/pip.conf /tmp/pip/bin/pip --python /opt/venv/bin/python install \
        --no-compile --no-cache-dir --disable-pip-version-check --root-user-action=ignore --quiet \
        --requirement /locks/airflow.txt \
    && { /opt/venv/bin/python -m compileall -qq -j 0 /opt/venv/lib || true; } \
    && rm -rf /tmp/* /root/.cache

ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/evenvoice \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    AIRFLOW_HOME=/tmp/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/evenvoice/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False \
    DVC_NO_ANALYTICS=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false

COPY code /opt/evenvoice
RUN python -m compileall -q -j 0 /opt/evenvoice
WORKDIR /opt/evenvoice
USER 10001:10001
EXPOSE 8080
# of the service that the image starts by itself; every other service brings its own
HEALTHCHECK --interval=15s --timeout=6s --start-period=120s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/api/v2/monitor/health', timeout=5)"]
CMD ["airflow", "api-server"]
