# The scoring service. README.md beside this file says how it is built and run.
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
# What libraries keep in a home goes to /tmp, the only place that has to be writable.
ENV PATH=/opt/expart/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    EXPART_SCORING_ADDRESS=0.0.0.0:50061 \
    EXPART_SCORING_HEALTH_ADDRESS=0.0.0.0:50062
USER 10001:10001
EXPOSE 50061 50062 9465
# The service drains; it waits for its worker processes itself, and they have no children.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["sh", "-c", "exec python -m services.rpc.check_health ${EXPART_SCORING_HEALTH_ADDRESS}"]
CMD ["python", "-m", "services.scoring"]
ARG SOURCE=unknown
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="expart-scoring" \
      org.opencontainers.image.description="Scores explanations of artworks by the metrics of the ExpArt benchmark, over gRPC" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
