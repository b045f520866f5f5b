// What the host shim's runtime offers: to kernels (through cuda.h) and to the Rust side.
// A block's threads are fibers on one OS thread; blocks run one after another.
#ifndef BREAKEVEN_SHIM_RUNTIME_H
#define BREAKEVEN_SHIM_RUNTIME_H

struct ShimDim {
    unsigned int x, y, z;
};

// What a kernel sees of the thread it runs as.
struct ShimThread {
    ShimDim thread, block, block_dim, grid_dim;
};

extern "C" {

// ---- for kernels ----

// The running thread; constant for the life of a fiber.
const ShimThread* shim_self() __attribute__((const));
// Start of the block's dynamic shared memory.
void* shim_dynamic_shared() __attribute__((const));
// Waits for every thread of the block that has not returned.
void shim_syncthreads();
// Publishes `value`, waits for all lanes of `mask` that have not returned, and gives the 32
// published values (good until the same mask's exchange after the next); sets `*valid` to the
// lanes that took part.
const unsigned long long* shim_exchange(unsigned int mask, unsigned long long value,
                                        unsigned int* valid);
// Lane of the running thread in its warp.
unsigned int shim_lane() __attribute__((const));
// Ends the launch with a message that names kernel, block and thread.
[[noreturn]] void shim_fail(const char* message);
// A copy of `bytes` (then zeros up to `size`) that may happen at once or only at its wait.
void shim_copy_async(void* shared, const void* global, unsigned int bytes, unsigned int size);
void shim_copy_async_commit();
void shim_copy_async_wait(unsigned int pending);

// ---- for the Rust side ----

struct ShimBuffer {
    const char* name;
    unsigned char* start;
    unsigned long long bytes;
};

struct ShimLaunch {
    const char* kernel;
    void (*call)(void** arguments);  // unpacks the arguments and calls the kernel
    void* (*anchor)();               // address of a thread-local of the kernel's library
    void** arguments;
    unsigned int grid[3], block[3];
    unsigned int shared_bytes;
    unsigned int order;              // 0 forward, 1 reverse, 2 random
    unsigned long long seed;
    const ShimBuffer* buffers;
    unsigned long long buffer_count;
};

// Runs a grid; 0, or 1 with a message.
int shim_launch(const ShimLaunch* launch, char* message, unsigned long long message_bytes);
// Memory between two inaccessible pages: its end (or start, where `at_start`) touches one.
// Starts are 16-byte aligned; everything is 0xCB.
unsigned char* shim_allocate(unsigned long long bytes, int at_start);
// Frees it; false where the slack beside it was written.
int shim_release(unsigned char* start, unsigned long long bytes, int at_start);
}
#endif
