# What a stage runs in: evenvoice, stages, worker, DVC, boto3 and torch. No Airflow, no MLflow.
# `make images` builds it, from a folder of its own (ops/images/context.py); docker/README.md says more.
# No syntax line and no heredocs: the BuildKit inside Docker 20.10 cannot fetch the one nor read the other.
ARG BASE_IMAGE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
FROM ${BASE_IMAGE}

RUN printf 'evenvoice:x:10001:10001::/tmp:/usr/sbin/nologin\n' >> /etc/passwd \
    && printf 'evenvoice:x:10001:\n' >> /etc/group

# pip comes and goes in this one layer, in a venv of its own: nothing in the image can install packages later.
# /wheels is empty where packages come from an index; its address and certificates are secrets, so no layer holds them.
# There meeteval comes as source, and its compiler comes and goes in this layer too.
# trim.py also compiles modules, since containers have a read-only root and would compile at each start. It uses every
# core, pip would use one.
RUN --mount=type=bind,source=locks,target=/locks \
    --mount=type=bind,source=wheels,target=/wheels \
    --mount=type=bind,source=trim.py,target=/trim.py \
    --mount=type=secret,id=pip,target=/run/secrets/pip.conf \
    --mount=type=secret,id=certificates,target=/run/secrets/certificates.pem \
    { ls /wheels/meeteval-*.whl >/dev/null 2>&1 \
        || { apt-get update -qq && apt-get install -qq --no-install-recommends -y g++; }; } \
    && python3 -m venv /tmp/pip \
    && python3 -m venv --without-pip /opt/venv \
    && PIP_CONFIG_FILE=/run/secrets/pip.conf /tmp/pip/bin/pip --python /opt/venv/bin/python install \
        --no-compile --no-cache-dir --disable-pip-version-check --root-user-action=ignore --quiet \
        --requirement /locks/stage.txt --constraint /locks/accelerator.txt \
    && python3 /trim.py /opt/venv/lib/python3.11/site-packages \
    && { ls /wheels/meeteval-*.whl >/dev/null 2>&1 || apt-get purge -qq --auto-remove -y g++; } \
    && rm -rf /tmp/* /root/.cache /var/lib/apt/lists/*

ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/evenvoice \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    DVC_NO_ANALYTICS=1

# The code is the last layer that costs anything: changing it rebuilds nothing above.
COPY code /opt/evenvoice
RUN python -m compileall -q -j 0 /opt/evenvoice
WORKDIR /opt/evenvoice
USER 10001:10001
CMD ["python", "-m", "worker", "--help"]
