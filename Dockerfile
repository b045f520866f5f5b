# The image that pods of a fleet run: the one binary, whose GPU drivers come from the node.
#
#     docker build -t registry.example/breakeven:0.1.0 .
#     docker build -t registry.example/breakeven:0.1.0-cuda --target cuda-libraries .
#
# The second holds cuBLAS and cuDNN besides, which breakeven measures where it finds them.

# What the binary needs of glibc is of 2.35 at most, as the bases below have it (a test sees to that).
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --features fleet --bin breakeven

FROM nvidia/cuda:12.4.1-cudnn-runtime-ubuntu22.04 AS cuda-libraries
COPY --from=build /src/target/release/breakeven /breakeven
# What the NVIDIA runtime mounts: CUDA, NVML, video codecs, Vulkan.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video,graphics
USER 65532:65532
ENTRYPOINT ["/breakeven"]

# The last stage is what is built without --target.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/breakeven /breakeven
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video,graphics
USER 65532:65532
ENTRYPOINT ["/breakeven"]
