# The images of FLTorrent, one target each:
#
#   docker build --target operator  -t fltorrent-operator:0.1.0 .
#   docker build --target peer      -t fltorrent-peer:0.1.0 .
#   docker build --target peer-cuda -t fltorrent-peer-cuda:0.1.0 .
#
# The base images can be others: RUST_IMAGE needs Rust, a C compiler, glibc and CA certificates, CUDA_IMAGE the headers and NVRTC.
ARG RUST_IMAGE=rust:1.95.0-slim-bookworm
ARG CUDA_IMAGE=nvidia/cuda:12.8.1-devel-ubuntu24.04

# What decides about dependencies, and programs that do nothing in place of ours: this changes only when a dependency does.
FROM ${RUST_IMAGE} AS manifests
WORKDIR /src
COPY . .
RUN find . -regextype posix-extended -type f ! -name Cargo.toml ! -name Cargo.lock ! -name rust-toolchain.toml \
      ! -regex '\./(examples/)?[^/]+/(build|src/lib|src/main|src/bin/[^/]+|(benches|examples|tests)/[^/]+)\.rs' -delete \
 && find . -name '*.rs' | while read -r file; do echo 'fn main() {}' > "$file"; done \
 && find . -type d -empty -delete

# What a program that is linked to glibc needs beside it. GPU sharing that hooks into programs needs glibc too.
FROM ${RUST_IMAGE} AS runtime
RUN set -eu; libraries="lib/$(uname -m)-linux-gnu"; mkdir -p "/runtime/$libraries" /runtime/etc/ssl/certs; cd /runtime; \
    for library in libc.so.6 libm.so.6 libdl.so.2 libpthread.so.0 librt.so.1 libresolv.so.2 libnss_dns.so.2 libnss_files.so.2 libgcc_s.so.1; do \
      cp -L "/$libraries/$library" "$libraries/"; \
    done; \
    for loader in /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.*; do \
      if [ -e "$loader" ]; then mkdir -p ".${loader%/*}"; cp -L "$loader" ".$loader"; fi; \
    done; \
    cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/; \
    echo 'hosts: files dns' > etc/nsswitch.conf; \
    echo 'nonroot:x:65532:65532::/:/sbin/nologin' > etc/passwd; \
    echo 'nonroot:x:65532:' > etc/group; \
    install -d -m 1777 tmp

FROM ${RUST_IMAGE} AS build
ENV CARGO_TARGET_DIR=/target
WORKDIR /src
COPY --from=manifests /src .
# Cargo goes by dates, and our sources are older than what is made of their stand-ins here: it shall know nothing of those.
RUN cargo build --release --locked --workspace --bin fltorrent --bin fltorrent-operator \
 && rm -r /target/release/.fingerprint/fltorrent-*
COPY . .
RUN cargo build --release --locked --workspace --bin fltorrent --bin fltorrent-operator \
 && install -D -t /programs /target/release/fltorrent /target/release/fltorrent-operator

FROM ${RUST_IMAGE} AS build-cuda
ENV CARGO_TARGET_DIR=/target
WORKDIR /src
COPY --from=manifests /src .
RUN cargo build --release --locked --package fltorrent-cli --features cuda \
 && rm -r /target/release/.fingerprint/fltorrent-*
COPY . .
RUN cargo build --release --locked --package fltorrent-cli --features cuda \
 && install -D -t /programs /target/release/fltorrent

# Kernels are compiled when a peer starts, by NVRTC and from CUDA's headers. The driver's libraries come from the node.
FROM ${CUDA_IMAGE} AS cuda
RUN mkdir -p /toolkit/lib64 && cp -P /usr/local/cuda/lib64/libnvrtc.so* /usr/local/cuda/lib64/libnvrtc-builtins.so* /toolkit/lib64/ && cp -rL /usr/local/cuda/include /toolkit/

FROM scratch AS operator
LABEL org.opencontainers.image.title="fltorrent-operator" \
      org.opencontainers.image.description="Keeps FLTorrentExperiments of a Kubernetes cluster going" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=runtime /runtime /
COPY --from=build /programs/fltorrent-operator /usr/local/bin/
ENV PATH=/usr/local/bin
USER 65532:65532
EXPOSE 8443 8080 8081
ENTRYPOINT ["fltorrent-operator"]
CMD ["run"]

FROM scratch AS peer
LABEL org.opencontainers.image.title="fltorrent-peer" \
      org.opencontainers.image.description="A peer of an FLTorrentExperiment that computes with the CPU" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=runtime /runtime /
COPY --from=build /programs/fltorrent /usr/local/bin/
ENV PATH=/usr/local/bin
USER 65532:65532
EXPOSE 7400/udp 9400
ENTRYPOINT ["fltorrent"]

FROM scratch AS peer-cuda
LABEL org.opencontainers.image.title="fltorrent-peer-cuda" \
      org.opencontainers.image.description="A peer of an FLTorrentExperiment that computes with CUDA" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=runtime /runtime /
COPY --from=cuda /toolkit /usr/local/cuda
COPY --from=build-cuda /programs/fltorrent /usr/local/bin/
ENV PATH=/usr/local/bin CUDA_PATH=/usr/local/cuda LD_LIBRARY_PATH=/usr/local/cuda/lib64:/usr/local/nvidia/lib64 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 65532:65532
EXPOSE 7400/udp 9400
ENTRYPOINT ["fltorrent"]
