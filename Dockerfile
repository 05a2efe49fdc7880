# docker build -t har . && docker run --rm har            runs the pipeline
# docker run --rm har make test                           runs the tests
# docker build --build-arg TORCH= -t har .                PyPI's torch, for an NVIDIA GPU
FROM python:3.11-slim-bookworm

RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make \
 && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home har
USER har
WORKDIR /home/har/project

# The environment changes less often than the code.
ARG TORCH=cpu
COPY --chown=har Makefile requirements.lock ./
RUN make environment TORCH=${TORCH}

COPY --chown=har . .
CMD ["make", "repro"]
