// A stand-in for libnvidia-ml.so.1 with the functions that an inventory asks for, as NVIDIA's nvml.h declares them. It
// answers from one host of gpus.h. SHAPE_OLD_DRIVER leaves out what came in later drivers.

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, TIMED_OUT = 10, GPU_IS_LOST = 15, RESET_REQUIRED = 16,
    LIB_RM_VERSION_MISMATCH = 18, UNKNOWN = 999,
};
enum { AMPERE = 7, ADA = 8, HOPPER = 9 };
#define NONE 0xffffffffu
#define UNTOLD 0xffffffffffffffffull
#define XID_EVENT 0x8ull

typedef struct { unsigned pid; unsigned long long bytes; unsigned gpu_instance, compute_instance; } process;
struct part { const char *uuid, *name; unsigned long long total, used; };
struct gpu {
    // A handle of NVML's is the address of one of these; of an instance's, part is set too.
    const char *uuid, *name;
    unsigned bus, architecture;
    int capability[2];
    unsigned long long total, used, reserved;
    unsigned utilisation[2], no_utilisation, celsius, milliwatts, limit, persistence;
    unsigned long long throttle;
    int has_ecc, has_rows, can_mig, mig;
    unsigned long long volatile_errors, aggregate;
    unsigned rows[4], pending, failed;
    struct part parts[3];
    process compute[4], graphics[4];
    unsigned long long xids[4];
    int lost, unopened, ecc_answer, memory_answer, no_events, refuses_events;
    // Of an instance.
    struct part *part;
};
typedef struct gpu *device;

#include "gpus.h"

// Between start and end: what is asked outside is refused.
static int started;

static unsigned count(void) {
    unsigned n = 0;
    while (n < sizeof gpus / sizeof *gpus && gpus[n].uuid) n++;
    return n;
}

#define ASK(gpu)                                                                                             \
    if (!started) return UNINITIALIZED;                                                                      \
    if ((gpu)->lost) return GPU_IS_LOST
#define HAS(what)                                                                                            \
    if (!(what)) return NOT_SUPPORTED

static int text(const char *from, char *to, unsigned length) {
    if (strlen(from) >= length) return INSUFFICIENT_SIZE;
    strcpy(to, from);
    return SUCCESS;
}

int nvmlInit_v2(void) { started = start == SUCCESS; return start; }
int nvmlShutdown(void) { if (!started) return UNINITIALIZED; started = 0; return SUCCESS; }
int nvmlSystemGetDriverVersion(char *version, unsigned length) {
#ifdef SHAPE_OLD_DRIVER
    return text("450.80.02", version, length);
#elif defined SHAPE_LARGE_ENTRIES
    return text("535.86.05", version, length);
#else
    return text("580.95.05", version, length);
#endif
}
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = 13000; return SUCCESS; }
int nvmlDeviceGetCount_v2(unsigned *n) { if (!started) return UNINITIALIZED; *n = count(); return SUCCESS; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device *gpu) {
    if (!started) return UNINITIALIZED;
    if (index >= count()) return INVALID_ARGUMENT;
    if (gpus[index].unopened) return gpus[index].unopened;
    *gpu = &gpus[index];
    return SUCCESS;
}

// The driver knows these without the GPU.
int nvmlDeviceGetUUID(device gpu, char *uuid, unsigned length) {
    return text(gpu->part ? gpu->part->uuid : gpu->uuid, uuid, length);
}
int nvmlDeviceGetName(device gpu, char *name, unsigned length) {
    return text(gpu->part ? gpu->part->name : gpu->name, name, length);
}
typedef struct {
    char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32];
} pci;
int nvmlDeviceGetPciInfo_v3(device gpu, pci *info) {
    info->domain = 0; info->bus = gpu->bus; info->device = 0; info->id = 0x233010de; info->subsystem = 0;
    snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", gpu->bus);
    return SUCCESS;
}

int nvmlDeviceGetCudaComputeCapability(device gpu, int *major, int *minor) {
    ASK(gpu); *major = gpu->capability[0]; *minor = gpu->capability[1]; return SUCCESS;
}
int nvmlDeviceGetTemperature(device gpu, int sensor, unsigned *celsius) {
    ASK(gpu); if (sensor) return INVALID_ARGUMENT; *celsius = gpu->celsius; return SUCCESS;
}
int nvmlDeviceGetPowerUsage(device gpu, unsigned *power) { ASK(gpu); *power = gpu->milliwatts; return SUCCESS; }
int nvmlDeviceGetEnforcedPowerLimit(device gpu, unsigned *limit) { ASK(gpu); *limit = gpu->limit; return SUCCESS; }
int nvmlDeviceGetPersistenceMode(device gpu, unsigned *mode) { ASK(gpu); *mode = gpu->persistence; return SUCCESS; }
int nvmlDeviceGetCurrentClocksThrottleReasons(device gpu, unsigned long long *bits) {
    ASK(gpu); *bits = gpu->throttle; return SUCCESS;
}
int nvmlDeviceGetUtilizationRates(device gpu, unsigned *rates) {
    ASK(gpu); HAS(!gpu->no_utilisation); memcpy(rates, gpu->utilisation, sizeof gpu->utilisation); return SUCCESS;
}
int nvmlDeviceGetEccMode(device gpu, unsigned *now, unsigned *later) {
    ASK(gpu); HAS(gpu->has_ecc); *now = *later = 1; return SUCCESS;
}
int nvmlDeviceGetTotalEccErrors(device gpu, int kind, int counter, unsigned long long *errors) {
    ASK(gpu); HAS(gpu->has_ecc);
    if (gpu->ecc_answer) return gpu->ecc_answer;
    // 1: uncorrected; 0: volatile.
    *errors = kind == 1 ? (counter == 0 ? gpu->volatile_errors : gpu->aggregate) : 1000;
    return SUCCESS;
}

#ifndef SHAPE_OLD_DRIVER
static struct gpu handles[3];
static int registered[sizeof gpus / sizeof *gpus], told[sizeof gpus / sizeof *gpus];

typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory;
int nvmlDeviceGetMemoryInfo_v2(device gpu, memory *info) {
    ASK(gpu);
    if (info->version != (sizeof *info | 2 << 24)) return INVALID_ARGUMENT;
    if (gpu->memory_answer) return gpu->memory_answer;
    info->total = gpu->part ? gpu->part->total : gpu->total;
    info->used = gpu->part ? gpu->part->used : gpu->used;
    info->reserved = gpu->part ? 0 : gpu->reserved;
    info->free = info->total - info->used - info->reserved;
    return SUCCESS;
}
int nvmlDeviceGetArchitecture(device gpu, unsigned *family) { ASK(gpu); *family = gpu->architecture; return SUCCESS; }

static int list(const process *from, unsigned *n, process *to) {
    unsigned there = 0, room = *n;
    while (there < 4 && from[there].pid) there++;
    *n = there;
    if (room < there) return INSUFFICIENT_SIZE;
#ifdef SHAPE_LARGE_ENTRIES
    // As those drivers do: 8 bytes more than anybody expects.
    for (unsigned n = 0; n < there; n++) memcpy((char *)to + n * (sizeof *to + 8), &from[n], sizeof *to);
#else
    if (there) memcpy(to, from, there * sizeof *to);
#endif
    return SUCCESS;
}
int nvmlDeviceGetComputeRunningProcesses_v3(device gpu, unsigned *n, process *all) {
    ASK(gpu); return list(gpu->compute, n, all);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(device gpu, unsigned *n, process *all) {
    ASK(gpu); return list(gpu->graphics, n, all);
}

typedef struct {
    unsigned id, scope; long long time, latency; unsigned type; int answer;
    union { double d; unsigned u; unsigned long long ull; } value;
} field;
int nvmlDeviceGetFieldValues(device gpu, int n, field *fields) {
    ASK(gpu);
    for (field *f = fields; f < fields + n; f++) {
        const unsigned values[] = {gpu->rows[0], gpu->rows[1], gpu->pending, gpu->failed};
        f->answer = gpu->has_rows && f->id >= 142 && f->id <= 145 ? SUCCESS : NOT_SUPPORTED;
        f->type = 1;
        if (f->answer == SUCCESS) f->value.u = values[f->id - 142];
    }
    return SUCCESS;
}

int nvmlDeviceGetMigMode(device gpu, unsigned *now, unsigned *later) {
    ASK(gpu); HAS(gpu->can_mig); *now = *later = gpu->mig; return SUCCESS;
}
int nvmlDeviceGetMaxMigDeviceCount(device gpu, unsigned *n) { ASK(gpu); *n = gpu->can_mig ? 3 : 0; return SUCCESS; }
int nvmlDeviceGetMigDeviceHandleByIndex(device gpu, unsigned index, device *instance) {
    ASK(gpu);
    if (index >= 3) return INVALID_ARGUMENT;
    if (!gpu->parts[index].uuid) return NOT_FOUND;
    handles[index] = *gpu;
    handles[index].part = &gpu->parts[index];
    *instance = &handles[index];
    return SUCCESS;
}

int nvmlDeviceGetSupportedEventTypes(device gpu, unsigned long long *types) {
    ASK(gpu); *types = gpu->no_events ? 0 : XID_EVENT | 0x10; return SUCCESS;
}
int nvmlEventSetCreate(void **set) {
    if (!started) return UNINITIALIZED;
    memset(registered, 0, sizeof registered);
    *set = registered;
    return SUCCESS;
}
int nvmlDeviceRegisterEvents(device gpu, unsigned long long types, void *set) {
    ASK(gpu);
    if (set != registered || types != XID_EVENT || gpu->no_events) return INVALID_ARGUMENT;
    if (gpu->refuses_events) return UNKNOWN;
    registered[gpu - gpus] = 1;
    return SUCCESS;
}
typedef struct { device gpu; unsigned long long type, data; unsigned gpu_instance, compute_instance; } event;
int nvmlEventSetWait_v2(void *set, event *next, unsigned milliseconds) {
    (void)milliseconds;
    if (set != registered) return INVALID_ARGUMENT;
    // A test that wants errors to come later names a file that is not there yet.
    const char *until = getenv("FAKE_XIDS");
    if (until && access(until, F_OK)) return TIMED_OUT;
    for (unsigned n = 0; n < count(); n++) {
        if (!registered[n] || told[n] == 4 || !gpus[n].xids[told[n]]) continue;
        *next = (event){&gpus[n], XID_EVENT, gpus[n].xids[told[n]++], NONE, NONE};
        return SUCCESS;
    }
    return TIMED_OUT;
}
int nvmlEventSetFree(void *set) { return set == registered ? SUCCESS : INVALID_ARGUMENT; }
#endif
