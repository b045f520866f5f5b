// SIMD-in-a-word and DPX intrinsics in plain C++: one lane function, applied to 32 bits or to
// two 16-bit halves, with and without `_relu` (clamped below at 0).

template <class Lane> static inline unsigned int shim_halves(unsigned int a, unsigned int b,
                                                             unsigned int c, Lane lane) {
    const unsigned int low = lane(short(a), short(b), short(c)) & 0xffff;
    const unsigned int high = lane(short(a >> 16), short(b >> 16), short(c >> 16)) & 0xffff;
    return low | high << 16;
}
static inline int shim_max(int a, int b) { return a < b ? b : a; }
static inline int shim_min(int a, int b) { return a < b ? a : b; }
static inline int shim_wrap32(int a, int b) { return int(unsigned(a) + unsigned(b)); }

static inline unsigned int __vadd2(unsigned int a, unsigned int b) {
    return shim_halves(a, b, 0, [](int x, int y, int) { return x + y; });
}
static inline unsigned int __vsub2(unsigned int a, unsigned int b) {
    return shim_halves(a, b, 0, [](int x, int y, int) { return x - y; });
}
static inline unsigned int __vmaxs2(unsigned int a, unsigned int b) {
    return shim_halves(a, b, 0, [](int x, int y, int) { return shim_max(x, y); });
}
static inline unsigned int __vmins2(unsigned int a, unsigned int b) {
    return shim_halves(a, b, 0, [](int x, int y, int) { return shim_min(x, y); });
}
static inline unsigned int __vcmpeq2(unsigned int a, unsigned int b) {
    return shim_halves(a, b, 0, [](int x, int y, int) { return x == y ? -1 : 0; });
}
static inline unsigned int __vcmpgts2(unsigned int a, unsigned int b) {
    return shim_halves(a, b, 0, [](int x, int y, int) { return x > y ? -1 : 0; });
}
static inline unsigned int __vcmpges2(unsigned int a, unsigned int b) {
    return shim_halves(a, b, 0, [](int x, int y, int) { return x >= y ? -1 : 0; });
}

// pick(a + b, c) with the sum wrapped to the lane, then pick(a, b, c).
#define SHIM_DPX(which)                                                                          \
    static inline int __viadd##which##_s32(int a, int b, int c) {                                \
        return shim_##which(shim_wrap32(a, b), c);                                               \
    }                                                                                            \
    static inline int __viadd##which##_s32_relu(int a, int b, int c) {                           \
        return shim_max(__viadd##which##_s32(a, b, c), 0);                                       \
    }                                                                                            \
    static inline unsigned int __viadd##which##_s16x2(unsigned int a, unsigned int b,            \
                                                      unsigned int c) {                          \
        return shim_halves(a, b, c,                                                              \
                           [](int x, int y, int z) { return shim_##which(short(x + y), z); });   \
    }                                                                                            \
    static inline unsigned int __viadd##which##_s16x2_relu(unsigned int a, unsigned int b,       \
                                                           unsigned int c) {                     \
        return __vmaxs2(__viadd##which##_s16x2(a, b, c), 0);                                     \
    }                                                                                            \
    static inline int __vi##which##3_s32(int a, int b, int c) {                                  \
        return shim_##which(shim_##which(a, b), c);                                              \
    }                                                                                            \
    static inline int __vi##which##3_s32_relu(int a, int b, int c) {                             \
        return shim_max(__vi##which##3_s32(a, b, c), 0);                                         \
    }                                                                                            \
    static inline unsigned int __vi##which##3_s16x2(unsigned int a, unsigned int b,              \
                                                    unsigned int c) {                            \
        return shim_halves(a, b, c, [](int x, int y, int z) {                                    \
            return shim_##which(shim_##which(x, y), z);                                          \
        });                                                                                      \
    }                                                                                            \
    static inline unsigned int __vi##which##3_s16x2_relu(unsigned int a, unsigned int b,         \
                                                         unsigned int c) {                       \
        return __vmaxs2(__vi##which##3_s16x2(a, b, c), 0);                                       \
    }                                                                                            \
    static inline int __vi##which##_s32_relu(int a, int b) {                                     \
        return shim_max(shim_##which(a, b), 0);                                                  \
    }                                                                                            \
    static inline unsigned int __vi##which##_s16x2_relu(unsigned int a, unsigned int b) {        \
        return __vmaxs2(shim_halves(a, b, 0,                                                     \
                                    [](int x, int y, int) { return shim_##which(x, y); }),       \
                        0);                                                                      \
    }
SHIM_DPX(max)
SHIM_DPX(min)
#undef SHIM_DPX

// The larger (smaller), and whether it is the first: true on a tie.
static inline int __vibmax_s32(int a, int b, bool* first) {
    *first = a >= b;
    return shim_max(a, b);
}
static inline int __vibmin_s32(int a, int b, bool* first) {
    *first = a <= b;
    return shim_min(a, b);
}
static inline unsigned int __vibmax_s16x2(unsigned int a, unsigned int b, bool* high, bool* low) {
    *high = short(a >> 16) >= short(b >> 16);
    *low = short(a) >= short(b);
    return __vmaxs2(a, b);
}
static inline unsigned int __vibmin_s16x2(unsigned int a, unsigned int b, bool* high, bool* low) {
    *high = short(a >> 16) <= short(b >> 16);
    *low = short(a) <= short(b);
    return __vmins2(a, b);
}
