// Stand-ins for libcublasLt.so and libcudnn.so: the few calls the backend makes, computed by
// the definitions in NVIDIA's manuals (column-major matrices; NCHW images), on the fake driver's
// streams. Workspaces are written over, so that one shared between streams would show.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <functional>

extern "C" void fake_enqueue(void* stream, std::function<void()>* work);
extern "C" void fake_need(uint64_t start, size_t bytes);

namespace {

const size_t WORKSPACE = 4096;

struct Layout {
    int type;  // 0 f32, 14 bf16
    uint64_t rows, columns;
    int64_t ld, stride = 0;
    int batch = 1;
};

// Compute types: f32, and f32 whose operands may be read as TF32.
enum { COMPUTE_32F = 68, COMPUTE_32F_FAST_TF32 = 77 };

struct Description {
    int compute;
};

// Where it may, the stand-in reads f32 as TF32, so that a product planned for the wrong type shows.
float element(const void* at, int type, size_t i, int compute) {
    if (type == 0) {
        uint32_t bits;
        memcpy(&bits, (const float*)at + i, 4);
        if (compute == COMPUTE_32F_FAST_TF32) bits &= 0xffffe000u;
        float f;
        memcpy(&f, &bits, 4);
        return f;
    }
    const uint32_t bits = (uint32_t)((const uint16_t*)at)[i] << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

void put(void* at, int type, size_t i, float value) {
    if (type == 0) {
        ((float*)at)[i] = value;
        return;
    }
    uint32_t bits;
    memcpy(&bits, &value, 4);
    ((uint16_t*)at)[i] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

size_t bytes_of(const Layout& l) { return (l.type ? 2 : 4) * l.stride * l.batch; }

void scribble(void* workspace, size_t bytes) {
    fake_need((uint64_t)workspace, bytes);
    memset(workspace, 0xAB, bytes);
}

struct Dims {
    int d[4];
    int format = 0;
    int type = 0;  // as in Layout
};
// 0 is float and 9 bfloat16 in cuDNN's numbers.
bool known(int format, int type) { return format <= 1 && (type == 0 || type == 9); }
struct Geometry {
    int pad[2], step[2], spacing[2], mode, groups = 1, math = 0;
};

}  // namespace

extern "C" {

size_t cublasLtGetVersion() { return 120405; }
int cublasLtCreate(void** handle) { return *handle = malloc(1), 0; }
int cublasLtDestroy(void* handle) { return free(handle), 0; }
int cublasLtMatrixLayoutCreate(void** out, int type, uint64_t rows, uint64_t columns, int64_t ld) {
    return *out = new Layout{type, rows, columns, ld}, 0;
}
int cublasLtMatrixLayoutSetAttribute(void* layout, int attribute, const void* value, size_t bytes) {
    if (attribute == 5 && bytes == 4) return memcpy(&((Layout*)layout)->batch, value, 4), 0;
    if (attribute == 6 && bytes == 8) return memcpy(&((Layout*)layout)->stride, value, 8), 0;
    return 7;
}
int cublasLtMatrixLayoutDestroy(void* layout) { return delete (Layout*)layout, 0; }
int cublasLtMatmulDescCreate(void** out, int compute, int scale) {
    const bool known = compute == COMPUTE_32F || compute == COMPUTE_32F_FAST_TF32;
    return known && scale == 0 ? (*out = new Description{compute}, 0) : 15;
}
int cublasLtMatmulDescDestroy(void* d) { return delete (Description*)d, 0; }
int cublasLtMatmulPreferenceCreate(void** out) { return *out = malloc(1), 0; }
int cublasLtMatmulPreferenceSetAttribute(void*, int attribute, const void* value, size_t bytes) {
    return attribute == 1 && bytes == 8 && *(const size_t*)value >= WORKSPACE ? 0 : 7;
}
int cublasLtMatmulPreferenceDestroy(void* p) { return free(p), 0; }

struct Heuristic {
    uint64_t algo[8];
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
};
int cublasLtMatmulAlgoGetHeuristic(void*, Description* how, Layout* a, Layout* b, Layout* c, Layout* d,
                                   void*, int wanted, Heuristic* result, int* found) {
    // TF32 is a way to multiply f32; 15 is "not supported".
    if (how->compute == COMPUTE_32F_FAST_TF32 && (a->type || b->type)) return 15;
    if (a->type != b->type || c->type) return 15;
    if (a->rows != c->rows || a->columns != b->rows || b->columns != c->columns || c != d) return 7;
    if (a->batch != c->batch || b->batch != c->batch || wanted < 1) return 7;
    *result = {{42}, WORKSPACE, 0, 1.0f, {}};
    return *found = 1, 0;
}
int cublasLtMatmul(void*, Description* how, const float* alpha, const void* a, Layout* la, const void* b,
                   Layout* lb, const float* beta, const void*, Layout*, float* d, Layout* ld,
                   const uint64_t* algo, void* workspace, size_t bytes, void* stream) {
    if (*algo != 42 || bytes < WORKSPACE || *alpha != 1 || *beta != 0) return 7;
    const Layout A = *la, B = *lb, D = *ld;
    const int compute = how->compute;
    std::function<void()> work = [=] {
        scribble(workspace, bytes);
        fake_need((uint64_t)a, bytes_of(A));
        fake_need((uint64_t)b, bytes_of(B));
        fake_need((uint64_t)d, bytes_of(D));
        for (int n = 0; n < D.batch; n++)
            for (uint64_t i = 0; i < D.rows; i++)
                for (uint64_t j = 0; j < D.columns; j++) {
                    float sum = 0;
                    for (uint64_t k = 0; k < A.columns; k++)
                        sum += element(a, A.type, n * A.stride + i + k * A.ld, compute) *
                               element(b, B.type, n * B.stride + k + j * B.ld, compute);
                    d[n * D.stride + i + j * D.ld] = sum;
                }
    };
    return fake_enqueue(stream, &work), 0;
}

struct Dnn {
    void* stream;
};
size_t cudnnGetVersion() { return 90100; }
int cudnnCreate(void** handle) { return *handle = new Dnn{nullptr}, 0; }
int cudnnDestroy(void* handle) { return delete (Dnn*)handle, 0; }
int cudnnSetStream(void* handle, void* stream) { return ((Dnn*)handle)->stream = stream, 0; }
int cudnnCreateTensorDescriptor(void** out) { return *out = new Dims, 0; }
int cudnnDestroyTensorDescriptor(void* d) { return delete (Dims*)d, 0; }
// Formats: 0 is NCHW, 1 is NHWC.
int cudnnSetTensor4dDescriptor(Dims* t, int format, int type, int n, int c, int h, int w) {
    return known(format, type) ? (*t = {{n, c, h, w}, format, type ? 14 : 0}, 0) : 1;
}
int cudnnCreateFilterDescriptor(void** out) { return *out = new Dims, 0; }
int cudnnDestroyFilterDescriptor(void* d) { return delete (Dims*)d, 0; }
int cudnnSetFilter4dDescriptor(Dims* f, int type, int format, int k, int c, int h, int w) {
    return known(format, type) ? (*f = {{k, c, h, w}, format, type ? 14 : 0}, 0) : 1;
}
int cudnnCreateConvolutionDescriptor(void** out) { return *out = new Geometry, 0; }
int cudnnDestroyConvolutionDescriptor(void* d) { return delete (Geometry*)d, 0; }
int cudnnSetConvolution2dDescriptor(Geometry* g, int ph, int pw, int u, int v, int dh, int dw,
                                    int mode, int type) {
    *g = {{ph, pw}, {u, v}, {dh, dw}, mode};
    return type;
}
int cudnnSetConvolutionGroupCount(Geometry* g, int groups) { return g->groups = groups, 0; }
int cudnnSetConvolutionMathType(Geometry* g, int math) { return g->math = math, 0; }

struct Algorithm {
    int algo, status;
    float time;
    size_t memory;
    int determinism, math, reserved[3];
};
// Of f32 the fastest two must not be taken: one in TF32, one unfused Winograd.
int cudnnGetConvolutionForwardAlgorithm_v7(void*, Dims*, Dims*, Geometry* g, Dims*, int room,
                                           int* found, Algorithm* out) {
    if (room < 3) return 1;
    out[0] = {1, 0, 1.0f, 0, 0, 1, {}};
    out[1] = {7, 0, 2.0f, 0, 0, g->math, {}};
    out[2] = {1, 0, 3.0f, WORKSPACE, 0, g->math, {}};
    return *found = 3, 0;
}
int cudnnGetConvolutionForwardWorkspaceSize(void*, Dims*, Dims*, Geometry*, Dims*, int algo,
                                            size_t* bytes) {
    return *bytes = WORKSPACE, algo != 1;
}
int cudnnConvolutionForward(Dnn* handle, const float* alpha, Dims* xd, const void* x, Dims* wd,
                            const void* w, Geometry* gd, int algo, void* workspace, size_t bytes,
                            const float* beta, Dims* yd, void* y) {
    const Geometry g = *gd;
    if (algo != 1 || bytes < WORKSPACE || *alpha != 1 || *beta != 0 || g.mode != 1)
        return 1;
    const Dims X = *xd, W = *wd, Y = *yd;
    if (X.format != W.format || X.format != Y.format) return 1;
    // Unless told to use FMA (3), tensor cores (1) read f32 as TF32; bf16 is for them.
    if (X.type != W.type || X.type != Y.type || (X.type && g.math != 1)) return 1;
    const int compute = g.math == 3 ? COMPUTE_32F : COMPUTE_32F_FAST_TF32;
    std::function<void()> work = [=] {
        scribble(workspace, bytes);
        const auto at = [](const Dims& t, int a, int b, int c, int d) {
            return t.format ? ((a * t.d[2] + c) * t.d[3] + d) * t.d[1] + b
                            : ((a * t.d[1] + b) * t.d[2] + c) * t.d[3] + d;
        };
        for (int n = 0; n < Y.d[0]; n++)
            for (int k = 0; k < Y.d[1]; k++)
                for (int i = 0; i < Y.d[2]; i++)
                    for (int j = 0; j < Y.d[3]; j++) {
                        float sum = 0;
                        const int first = k / (Y.d[1] / g.groups) * W.d[1];
                        for (int c = 0; c < W.d[1]; c++)
                            for (int r = 0; r < W.d[2]; r++)
                                for (int s = 0; s < W.d[3]; s++) {
                                    const int p = i * g.step[0] + r * g.spacing[0] - g.pad[0];
                                    const int q = j * g.step[1] + s * g.spacing[1] - g.pad[1];
                                    if (p < 0 || p >= X.d[2] || q < 0 || q >= X.d[3]) continue;
                                    sum += element(x, X.type, at(X, n, first + c, p, q), compute) *
                                           element(w, W.type, at(W, k, c, r, s), compute);
                                }
                        put(y, Y.type, at(Y, n, k, i, j), sum);
                    }
    };
    return fake_enqueue(handle->stream, &work), 0;
}
}
