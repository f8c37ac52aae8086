# The expart command: the driver of sweeps, and what reads their results. README.md beside this file
# says how it is built and run. Up to the end of its first stage it is scoring.Dockerfile, so that a
# cache of layers builds that stage once.
ARG BASE=docker.io/library/python:3.11-slim

FROM ${BASE} AS build
# services, or encoder for BERTScore.
ARG LOCK=services
# Of pip, for those who have an index of their own.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PATH=/opt/expart/bin:$PATH
WORKDIR /build
COPY deploy/locks/cpu.txt deploy/locks/${LOCK}.txt locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/expart && \
    pip install --constraint locks/cpu.txt setuptools && \
    pip install --no-deps --no-build-isolation --use-pep517 --requirement "locks/${LOCK}.txt"
COPY LICENSE README.md pyproject.toml ./
COPY protos/gen protos/gen
COPY services services
# What has installed is needed no more.
RUN pip install --no-cache-dir --no-deps --no-build-isolation . && \
    pip uninstall --yes setuptools pip

FROM ${BASE}
RUN groupadd --gid 10001 expart && \
    useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /tmp \
      --shell /usr/sbin/nologin expart
COPY --from=build /opt/expart /opt/expart
# A volume that is new takes its owner from here.
RUN install --directory --owner 10001 --group 10001 /results
# What libraries keep in a home goes to /tmp, the only place that has to be writable beside the
# results.
ENV PATH=/opt/expart/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    EXPART_CLI_LOG_FOLDER=/tmp/log
WORKDIR /results
USER 10001:10001
EXPOSE 9466
# A first one saves what is in flight, and the command ends with 130.
STOPSIGNAL SIGTERM
# It runs to an end and serves nobody: its exit code says how it went.
HEALTHCHECK NONE
ENTRYPOINT ["expart"]
CMD ["--help"]
ARG SOURCE=unknown
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="expart-driver" \
      org.opencontainers.image.description="Runs sweeps of the ExpArt benchmark over vision-language models, and reports their results" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
