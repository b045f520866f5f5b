// A stand-in for NVIDIA's driver (libcuda.so) that the backend's tests load: one GPU of compute
// capability 8.6, memory on the host, three kernels by name. Everything enqueued runs only when
// its stream is waited for, so that memory given up or read too early shows; ranges are checked.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

namespace {

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_PTX = 218,
       NOT_FOUND = 500, ILLEGAL_ADDRESS = 700 };

const size_t TOTAL = 64 << 20;

struct Stream {
    std::deque<std::function<void()>> work;
};
struct Event {
    double at_ms = -1;
    Stream* stream = nullptr;  // where it was recorded and not reached yet
};
struct Module {
    std::string ptx;
};

std::map<uintptr_t, size_t> memory;  // device allocations
std::set<void*> others;              // contexts, streams, events, modules, pinned memory
size_t used = 0;
int sticky = OK;
int retained = 0;

[[noreturn]] void complain(const char* what) {
    fprintf(stderr, "fake driver: %s\n", what);
    fflush(stderr);
    abort();
}

void need_device_range(uintptr_t start, size_t bytes) {
    auto after = memory.upper_bound(start);
    if (after == memory.begin()) complain("access outside device memory");
    auto owner = std::prev(after);
    if (start + bytes > owner->first + owner->second) complain("access past a device buffer");
}

double now_ms() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

template <class T> T* keep(T* object) {
    others.insert(object);
    return object;
}

void scaled_sum(void** p) {
    const float *a = *(const float**)p[0], *b = *(const float**)p[1];
    float* out = *(float**)p[2];
    const uint32_t n = *(uint32_t*)p[3];
    const float scale = *(float*)p[4];
    need_device_range((uintptr_t)a, n * 4);
    need_device_range((uintptr_t)b, n * 4);
    need_device_range((uintptr_t)out, n * 4);
    for (uint32_t i = 0; i < n; i++) out[i] = a[i] * scale + b[i];
}

void count_up(void** p) {
    uint32_t *length = *(uint32_t**)p[0], *out = *(uint32_t**)p[1];
    const uint32_t count = *(uint32_t*)p[2], capacity = *(uint32_t*)p[3];
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = length[1];
        length[1] += 4;
        if (at + 4 > capacity) continue;
        need_device_range((uintptr_t)out + at, 4);
        out[at / 4] = i;
    }
}

void fault(void**) { sticky = ILLEGAL_ADDRESS; }

struct Kernel {
    const char* name;
    void (*run)(void**);
    unsigned arguments;
} kernels[] = {{"scaled_sum", scaled_sum, 5}, {"count_up", count_up, 4}, {"fault", fault, 0}};

}  // namespace

extern "C" {

// For the fake libraries: enqueues work, checks a range.
void fake_enqueue(void* stream, std::function<void()>* work) {
    ((Stream*)stream)->work.push_back(*work);
}
void fake_need(uint64_t start, size_t bytes) { need_device_range(start, bytes); }

int cuInit(unsigned) { return OK; }
int cuDriverGetVersion(int* v) { return *v = 12040, OK; }
int cuDeviceGetCount(int* n) { return *n = 1, OK; }
int cuDeviceGet(int* device, int ordinal) {
    return ordinal ? INVALID_DEVICE : (*device = 0, OK);
}
int cuDeviceGetName(char* name, int length, int) { return snprintf(name, length, "Fake GPU"), OK; }
int cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = TOTAL, OK; }
int cuDeviceGetPCIBusId(char* id, int length, int) {
    return snprintf(id, length, "0000:01:00.0"), OK;
}
int cuDeviceGetAttribute(int* value, int attribute, int) {
    switch (attribute) {
        case 1: *value = 1024; break;       // threads per block
        case 16: *value = 10; break;        // multiprocessors
        case 38: *value = 1 << 20; break;   // L2
        case 75: *value = 8; break;
        case 76: *value = 6; break;
        case 97: *value = 100 << 10; break; // shared memory per block, opt in
        default: return INVALID_VALUE;
    }
    return OK;
}
int cuGetErrorName(int e, const char** name) {
    return *name = e == ILLEGAL_ADDRESS ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR", OK;
}
int cuGetErrorString(int, const char** text) { return *text = "as the test asked", OK; }

int cuDevicePrimaryCtxRetain(void** context, int) { return *context = &used, retained++, OK; }
// The context goes last: by then everything must have been given back, unless it was lost.
int cuDevicePrimaryCtxRelease_v2(int) {
    if (--retained == 0 && !sticky && (!memory.empty() || !others.empty()))
        complain("driver objects were leaked");
    return OK;
}
int cuCtxSetCurrent(void*) { return sticky; }
int cuMemGetInfo_v2(size_t* free, size_t* total) {
    return *free = TOTAL - used, *total = TOTAL, OK;
}

int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
    if (!bytes) return INVALID_VALUE;
    if (used + bytes > TOTAL) return OUT_OF_MEMORY;
    void* start = aligned_alloc(256, (bytes + 255) / 256 * 256);
    memset(start, 0xEE, bytes);
    memory[(uintptr_t)start] = bytes;
    used += bytes;
    return *address = (uintptr_t)start, OK;
}
int cuMemFree_v2(uint64_t address) {
    auto found = memory.find(address);
    if (found == memory.end()) complain("memory freed that was not allocated");
    used -= found->second;
    memset((void*)address, 0xDD, found->second);
    free((void*)address);
    memory.erase(found);
    return OK;
}
// Locking pages takes long; so does this where there are many, for a test to see when it is done.
int cuMemHostAlloc(void** start, size_t bytes, unsigned flags) {
    if (flags & 4) complain("results would be read from write-combined memory");
    if (bytes > 2 << 20) usleep(100 * 1000);
    return *start = keep(malloc(bytes)), OK;
}
int cuMemFreeHost(void* start) { return others.erase(start), free(start), OK; }

int cuStreamCreate(void** stream, unsigned) { return *stream = keep(new Stream), OK; }
int cuStreamDestroy_v2(void* stream) {
    if (!((Stream*)stream)->work.empty()) complain("a stream was destroyed with work under way");
    return others.erase(stream), delete (Stream*)stream, OK;
}
int cuStreamSynchronize(void* stream) {
    auto& work = ((Stream*)stream)->work;
    for (; !work.empty(); work.pop_front())
        if (!sticky) work.front()();
    return sticky;
}
int cuEventCreate(void** event, unsigned) { return *event = keep(new Event), OK; }
int cuEventDestroy_v2(void* event) { return others.erase(event), delete (Event*)event, OK; }
int cuEventRecord(void* event, void* stream) {
    ((Event*)event)->stream = (Stream*)stream;
    ((Stream*)stream)->work.push_back([=] {
        ((Event*)event)->at_ms = now_ms();
        ((Event*)event)->stream = nullptr;
    });
    return OK;
}
int cuEventSynchronize(void* event) {
    // Only what stands before it.
    while (Stream* stream = ((Event*)event)->stream) {
        auto next = stream->work.front();
        stream->work.pop_front();
        if (sticky) return sticky;
        next();
    }
    return sticky;
}
int cuEventElapsedTime(float* ms, void* start, void* end) {
    if (((Event*)start)->at_ms < 0 || ((Event*)end)->at_ms < 0) complain("an event was not reached");
    return *ms = ((Event*)end)->at_ms - ((Event*)start)->at_ms, OK;
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
    ((Stream*)stream)->work.push_back([=] {
        need_device_range(to, bytes);
        memcpy((void*)to, from, bytes);
    });
    return OK;
}
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
    ((Stream*)stream)->work.push_back([=] {
        need_device_range(from, bytes);
        memcpy(to, (void*)from, bytes);
    });
    return OK;
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
    ((Stream*)stream)->work.push_back([=] {
        need_device_range(to, bytes);
        need_device_range(from, bytes);
        memmove((void*)to, (void*)from, bytes);
    });
    return OK;
}
int cuMemsetD32Async(uint64_t to, unsigned word, size_t words, void* stream) {
    ((Stream*)stream)->work.push_back([=] {
        need_device_range(to, words * 4);
        for (size_t i = 0; i < words; i++) ((unsigned*)to)[i] = word;
    });
    return OK;
}

int cuModuleLoadDataEx(void** module, const void* image, unsigned n, int* options, void** values) {
    const char* ptx = (const char*)image;
    if (!strstr(ptx, ".target sm_80")) {
        if (n == 2 && options[0] == 5 && options[1] == 6)
            snprintf((char*)values[0], (size_t)values[1], "ptxas: this is not PTX");
        return INVALID_PTX;
    }
    return *module = keep(new Module{ptx}), OK;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
    for (Kernel& k : kernels)
        if (!strcmp(k.name, name) && strstr(((Module*)module)->ptx.c_str(), name))
            return *function = &k, OK;
    return NOT_FOUND;
}
int cuModuleUnload(void* module) { return others.erase(module), delete (Module*)module, OK; }
int cuFuncSetAttribute(void*, int attribute, int value) {
    return attribute == 8 && value <= 100 << 10 ? OK : INVALID_VALUE;
}
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned, void* stream, void** parameters, void**) {
    const Kernel* k = (Kernel*)function;
    if (!gx || !gy || !gz || bx * by * bz > 1024) return INVALID_VALUE;
    uint64_t slots[8];  // the driver copies arguments before it returns
    for (unsigned i = 0; i < k->arguments; i++) memcpy(&slots[i], parameters[i], 8);
    ((Stream*)stream)->work.push_back([=]() mutable {
        void* p[8];
        for (unsigned i = 0; i < k->arguments; i++) p[i] = &slots[i];
        k->run(p);
    });
    return OK;
}
}
