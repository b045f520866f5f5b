// The host shim's runtime: fibers for a block's threads, barriers and warp exchanges with
// deadlock detection, poisoned shared memory, delayed copies, guarded buffers.
#include "runtime.h"

#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <random>
#include <vector>

namespace {

const unsigned char POISON = 0xCB;
const size_t PAGE = 4096;
const size_t STACK = 128 * 1024;  // per fiber, with an inaccessible page below
const unsigned MAX_THREADS = 1024;

enum State { READY, AT_BARRIER, IN_EXCHANGE, DONE };

struct Copy {
    void* to;
    const void* from;
    unsigned bytes, size;
};

struct Fiber {
    ShimThread self;  // first: shim_self() returns it
    jmp_buf context;
    State state;
    unsigned lane, warp;
    std::vector<Copy> started;                 // not yet committed
    std::vector<std::vector<Copy>> committed;  // oldest first
};

// Lanes meeting with one mask; two value tables, used in turn, so that a quick lane's next
// exchange does not overwrite what a slow one has still to read.
struct Meeting {
    unsigned mask, arrived;
    unsigned turn;
    unsigned valid[2];
    unsigned long long values[2][32];
};

// Everything one OS thread needs to run blocks.
struct Worker {
    Fiber fibers[MAX_THREADS];
    unsigned char* stacks;
    unsigned made;  // fibers whose context exists
    std::vector<Meeting> meetings[MAX_THREADS / 32];
    jmp_buf scheduler;
    sigjmp_buf failed;
    Fiber* current;
    unsigned threads, alive, waiting;
    const ShimLaunch* launch;
    unsigned char* shared;  // dynamic
    char* message;
    size_t message_bytes;
    std::mt19937_64 random;
};

thread_local Worker* worker = nullptr;
thread_local bool running = false;  // true while a kernel's code runs: faults are its own

__attribute__((noinline)) void switch_to(jmp_buf& from, jmp_buf& to) {
    if (_setjmp(from) == 0) _longjmp(to, 1);
}

// Body of every fiber: one kernel call per block, for ever.
void fiber_main() {
    for (;;) {
        Worker* w = worker;
        w->launch->call(w->launch->arguments);
        w->current->state = DONE;
        switch_to(w->current->context, w->scheduler);
    }
}

// Gives a fiber its stack and leaves it about to run fiber_main.
void make_fiber(Worker* w, unsigned i) {
    ucontext_t fresh, here;
    getcontext(&fresh);
    fresh.uc_stack.ss_sp = w->stacks + i * STACK + PAGE;
    fresh.uc_stack.ss_size = STACK - PAGE;
    fresh.uc_link = nullptr;
    mprotect(w->stacks + i * STACK, PAGE, PROT_NONE);
    static thread_local jmp_buf* slot;
    static thread_local jmp_buf* back;
    static thread_local jmp_buf maker;
    slot = &w->fibers[i].context;
    back = &maker;
    makecontext(&fresh, +[] {
        if (_setjmp(*slot) == 0) _longjmp(*back, 1);
        fiber_main();
    }, 0);
    if (_setjmp(maker) == 0) swapcontext(&here, &fresh);
}

void block_on(State state) {
    Worker* w = worker;
    Fiber* f = w->current;
    f->state = state;
    switch_to(f->context, w->scheduler);
}

void say(const char* format, ...) {
    Worker* w = worker;
    const Fiber* f = w->current;
    int used = snprintf(w->message, w->message_bytes, "%s: ", w->launch->kernel);
    if (f)
        used += snprintf(w->message + used, w->message_bytes - used,
                         "block (%u,%u,%u) thread (%u,%u,%u): ", f->self.block.x, f->self.block.y,
                         f->self.block.z, f->self.thread.x, f->self.thread.y, f->self.thread.z);
    va_list rest;
    va_start(rest, format);
    vsnprintf(w->message + used, w->message_bytes - used, format, rest);
    va_end(rest);
}

// The buffer whose guarded mapping a bad address lies nearest to, in words.
void say_fault(const unsigned char* address) {
    Worker* w = worker;
    const ShimBuffer* near = nullptr;
    unsigned long long best = 1 << 20;
    for (unsigned long long i = 0; i < w->launch->buffer_count; i++) {
        const ShimBuffer* b = &w->launch->buffers[i];
        const unsigned long long distance =
            address < b->start ? b->start - address
            : address >= b->start + b->bytes ? address - (b->start + b->bytes) : 0;
        if (distance < best) best = distance, near = b;
    }
    if (!near)
        say("touches address %p, which is in no buffer", static_cast<const void*>(address));
    else
        say("touches byte %lld of buffer `%s`, which has %llu",
            static_cast<long long>(address - near->start), near->name, near->bytes);
}

struct sigaction previous_segv, previous_bus;

void on_fault(int signal, siginfo_t* info, void* context) {
    if (running) {
        running = false;
        say_fault(static_cast<const unsigned char*>(info->si_addr));
        siglongjmp(worker->failed, 1);
    }
    const struct sigaction& previous = signal == SIGSEGV ? previous_segv : previous_bus;
    if (previous.sa_flags & SA_SIGINFO)
        previous.sa_sigaction(signal, info, context);
    else
        sigaction(signal, &previous, nullptr);
}

const bool handlers_installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &previous_segv);
    sigaction(SIGBUS, &action, &previous_bus);
    return true;
}();

// The thread's block of thread-locals of the kernel's library: its static shared memory.
struct Locals {
    const void* inside;
    unsigned char* start;
    size_t bytes;
};

int find_locals(dl_phdr_info* info, size_t, void* wanted) {
    Locals* l = static_cast<Locals*>(wanted);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        if (info->dlpi_phdr[i].p_type != PT_TLS || !info->dlpi_tls_data) continue;
        unsigned char* start = static_cast<unsigned char*>(info->dlpi_tls_data);
        const size_t bytes = info->dlpi_phdr[i].p_memsz;
        if (l->inside >= start && l->inside < start + bytes) {
            l->start = start;
            l->bytes = bytes;
            return 1;
        }
    }
    return 0;
}

void perform(const std::vector<Copy>& copies) {
    for (const Copy& c : copies) {
        memcpy(c.to, c.from, c.bytes);
        memset(static_cast<unsigned char*>(c.to) + c.bytes, 0, c.size - c.bytes);
    }
}

// Ends every exchange whose missing lanes have all returned.
void finish_meeting(Worker* w, unsigned warp, Meeting& m) {
    unsigned returned = 0;
    for (unsigned lane = 0; lane < 32; lane++) {
        const unsigned t = warp * 32 + lane;
        if (t >= w->threads || w->fibers[t].state == DONE) returned |= 1u << lane;
    }
    if (!m.arrived || (m.mask & ~returned & ~m.arrived)) return;
    for (unsigned lane = 0; lane < 32; lane++)
        if (m.arrived >> lane & 1) w->fibers[warp * 32 + lane].state = READY;
    m.valid[m.turn] = m.arrived;
    m.arrived = 0;
    m.turn ^= 1;
}

void start_block(Worker* w, ShimDim block, const Locals& locals) {
    const ShimLaunch* l = w->launch;
    const ShimDim block_dim = {l->block[0], l->block[1], l->block[2]};
    const ShimDim grid_dim = {l->grid[0], l->grid[1], l->grid[2]};
    memset(locals.start, POISON, locals.bytes);
    memset(w->shared, POISON, l->shared_bytes);
    w->waiting = 0;
    w->alive = w->threads;
    for (unsigned i = 0; i < (w->threads + 31) / 32; i++) w->meetings[i].clear();
    for (unsigned i = 0; i < w->threads; i++) {
        Fiber& f = w->fibers[i];
        f.self = {{i % block_dim.x, i / block_dim.x % block_dim.y, i / block_dim.x / block_dim.y},
                  block, block_dim, grid_dim};
        f.state = READY;
        f.lane = i % 32;
        f.warp = i / 32;
        f.started.clear();
        f.committed.clear();
    }
}

// i-th of n in the launch's order; `keys` shuffles in the random one.
void make_order(Worker* w, std::vector<unsigned>& order) {
    const unsigned n = order.size();
    for (unsigned i = 0; i < n; i++) order[i] = w->launch->order == 1 ? n - 1 - i : i;
    if (w->launch->order == 2)
        for (unsigned i = n; i > 1; i--) std::swap(order[i - 1], order[w->random() % i]);
}

void run_fiber(Worker* w, Fiber& f) {
    w->current = &f;
    running = true;
    switch_to(w->scheduler, f.context);
    running = false;
    w->current = nullptr;
    if (f.state != DONE) return;
    w->alive--;
    for (Meeting& m : w->meetings[f.warp]) finish_meeting(w, f.warp, m);
}

// Runs a block to its end; says what its threads wait for where none can go on.
bool run_block(Worker* w, std::vector<unsigned>& order) {
    while (w->alive) {
        bool progress = false;
        make_order(w, order);
        for (unsigned i : order) {
            Fiber& f = w->fibers[i];
            if (f.state != READY) continue;
            progress = true;
            run_fiber(w, f);
            if (w->alive && w->waiting == w->alive) {
                w->waiting = 0;
                for (unsigned j = 0; j < w->threads; j++)
                    if (w->fibers[j].state == AT_BARRIER) w->fibers[j].state = READY;
            }
        }
        if (progress) continue;
        for (unsigned i = 0; i < w->threads; i++)
            if (w->fibers[i].state == IN_EXCHANGE) w->current = &w->fibers[i];
        say("%u threads wait at __syncthreads and %u in warp operations whose masks name lanes "
            "that do not come", w->waiting, w->alive - w->waiting);
        return false;
    }
    return true;
}

Worker* this_worker() {
    struct Owner {
        Worker* w = nullptr;
        ~Owner() {
            if (!w) return;
            munmap(w->stacks, STACK * MAX_THREADS);
            delete w;
        }
    };
    static thread_local Owner owner;
    if (!owner.w) {
        owner.w = new Worker();
        owner.w->stacks = static_cast<unsigned char*>(
            mmap(nullptr, STACK * MAX_THREADS, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0));
    }
    return owner.w;
}

bool run_grid(Worker* w, const ShimLaunch* launch) {
    Locals locals = {launch->anchor(), nullptr, 0};
    if (!dl_iterate_phdr(find_locals, &locals)) {
        say("the shim cannot find the library's thread-local storage");
        return false;
    }
    for (; w->made < w->threads; w->made++) make_fiber(w, w->made);
    const unsigned long long blocks = 1ull * launch->grid[0] * launch->grid[1] * launch->grid[2];
    std::vector<unsigned> block_order(blocks), thread_order(w->threads);
    make_order(w, block_order);
    for (unsigned b : block_order) {
        const unsigned gx = launch->grid[0], gy = launch->grid[1];
        start_block(w, {b % gx, b / gx % gy, b / gx / gy}, locals);
        if (!run_block(w, thread_order)) return false;
    }
    return true;
}

}  // namespace

extern "C" {

const ShimThread* shim_self() { return &worker->current->self; }
unsigned int shim_lane() { return worker->current->lane; }
void* shim_dynamic_shared() { return worker->shared; }

void shim_syncthreads() {
    worker->waiting++;
    block_on(AT_BARRIER);
}

const unsigned long long* shim_exchange(unsigned mask, unsigned long long value, unsigned* valid) {
    Worker* w = worker;
    const Fiber* f = w->current;
    if (!(mask >> f->lane & 1)) shim_fail("a warp operation's mask does not name its own lane");
    std::vector<Meeting>& meetings = w->meetings[f->warp];
    size_t i = 0;
    while (i < meetings.size() && meetings[i].mask != mask) i++;
    if (i == meetings.size()) meetings.push_back({mask, 0, 0, {}, {}});
    const unsigned turn = meetings[i].turn;
    meetings[i].values[turn][f->lane] = value;
    meetings[i].arrived |= 1u << f->lane;
    w->current->state = IN_EXCHANGE;
    finish_meeting(w, f->warp, meetings[i]);
    if (w->current->state == IN_EXCHANGE) block_on(IN_EXCHANGE);
    // The table may have moved while others met with other masks; the entry stays.
    *valid = w->meetings[w->current->warp][i].valid[turn];
    return w->meetings[w->current->warp][i].values[turn];
}

void shim_fail(const char* message) {
    running = false;
    say("%s", message);
    siglongjmp(worker->failed, 1);
}

void shim_copy_async(void* shared, const void* global, unsigned bytes, unsigned size) {
    Worker* w = worker;
    if (reinterpret_cast<size_t>(shared) % size || (bytes && reinterpret_cast<size_t>(global) % size))
        shim_fail("an asynchronous copy is not aligned to its size");
    const Copy copy = {shared, global, bytes, size};
    // Both extremes of what hardware may do: at once, and not before the wait.
    const unsigned order = w->launch->order;
    if (order == 1 || (order == 2 && w->random() % 2))
        perform({copy});
    else
        w->current->started.push_back(copy);
}

void shim_copy_async_commit() {
    Fiber* f = worker->current;
    f->committed.push_back(std::move(f->started));
    f->started.clear();
}

void shim_copy_async_wait(unsigned pending) {
    std::vector<std::vector<Copy>>& groups = worker->current->committed;
    while (groups.size() > pending) {
        perform(groups.front());
        groups.erase(groups.begin());
    }
}

int shim_launch(const ShimLaunch* launch, char* message, unsigned long long message_bytes) {
    Worker* w = worker = this_worker();
    w->launch = launch;
    w->message = message;
    w->message_bytes = message_bytes;
    w->current = nullptr;
    w->threads = launch->block[0] * launch->block[1] * launch->block[2];
    w->random.seed(launch->seed);
    w->shared = shim_allocate(launch->shared_bytes, 0);
    // Faults may come from a fiber's exhausted stack: handle them on another one.
    static thread_local unsigned char signal_stack[64 * 1024];
    stack_t mine = {signal_stack, 0, sizeof signal_stack}, before;
    sigaltstack(&mine, &before);
    volatile bool good = false;
    if (sigsetjmp(w->failed, 1) == 0) good = run_grid(w, launch);
    if (!good) w->made = 0;  // fibers were left in mid-kernel
    sigaltstack(&before, nullptr);
    shim_release(w->shared, launch->shared_bytes, 0);
    return good ? 0 : 1;
}

static size_t pages_of(unsigned long long bytes) { return (bytes + 15 + PAGE) / PAGE * PAGE; }

unsigned char* shim_allocate(unsigned long long bytes, int at_start) {
    const size_t inner = pages_of(bytes);
    void* all = mmap(nullptr, inner + 2 * PAGE, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    unsigned char* first = static_cast<unsigned char*>(all) + PAGE;
    if (all == MAP_FAILED || mprotect(first, inner, PROT_READ | PROT_WRITE)) return nullptr;
    memset(first, POISON, inner);
    return at_start ? first : first + inner - (bytes + 15) / 16 * 16;
}

int shim_release(unsigned char* start, unsigned long long bytes, int at_start) {
    const size_t inner = pages_of(bytes);
    unsigned char* first = at_start ? start : start + (bytes + 15) / 16 * 16 - inner;
    bool clean = true;
    for (unsigned char* p = first; p < first + inner; p++)
        if ((p < start || p >= start + bytes) && *p != POISON) clean = false;
    munmap(first - PAGE, inner + 2 * PAGE);
    return clean;
}

// What g++ calls where -fsanitize=bounds,alignment,shift-exponent,integer-divide-by-zero finds
// something: the data start with file, line, column.
struct ShimSite {
    const char* file;
    unsigned line, column;
};

[[noreturn]] static void fail_at(const ShimSite* site, const char* what) {
    char text[512];
    const char* name = strrchr(site->file, '/');
    snprintf(text, sizeof text, "%s at %s:%u", what, name ? name + 1 : site->file, site->line);
    shim_fail(text);
}
void __ubsan_handle_out_of_bounds(ShimSite* site, void*) { fail_at(site, "index out of bounds"); }
void __ubsan_handle_type_mismatch_v1(ShimSite* site, void*) {
    fail_at(site, "misaligned or null access");
}
void __ubsan_handle_shift_out_of_bounds(ShimSite* site, void*, void*) {
    fail_at(site, "shift by the operand's width or more");
}
void __ubsan_handle_divrem_overflow(ShimSite* site, void*, void*) {
    fail_at(site, "division by zero");
}
}
