// The hosts that the tests have, one by one: SHAPE_… names which. A figure that is not set is one that the GPU does not
// have. What NVML calls things is in nvml.c.

#define GIB(n) ((unsigned long long)(n) << 30)
#define MIB(n) ((unsigned long long)(n) << 20)
#define GPU_ID(n) "GPU-0000000" #n "-1111-2222-3333-444455556666"
#define MIG_ID(n) "MIG-0000000" #n "-1111-2222-3333-444455556666"

#define ECC .has_ecc = 1, .aggregate = 3
#define ROWS .has_rows = 1, .rows = {2, 1, 0, 0}
#define BUSY .utilisation = {87, 41}, .celsius = 64, .milliwatts = 412345, .limit = 700000

#define A100(n)                                                                                              \
    .uuid = GPU_ID(n), .bus = 0x30 + n, .name = "NVIDIA A100-SXM4-80GB", .architecture = AMPERE,             \
    .capability = {8, 0}, .total = GIB(80), .reserved = MIB(600), ECC, ROWS, BUSY, .can_mig = 1
#define H100(n)                                                                                              \
    .uuid = GPU_ID(n), .bus = 0x80 + n, .name = "NVIDIA H100 80GB HBM3", .architecture = HOPPER,             \
    .capability = {9, 0}, .total = MIB(81559), .reserved = MIB(551), ECC, ROWS, BUSY, .can_mig = 1
#define H200(n)                                                                                              \
    .uuid = GPU_ID(n), .bus = 0xc0 + n, .name = "NVIDIA H200", .architecture = HOPPER, .capability = {9, 0}, \
    .total = MIB(143771), .reserved = MIB(644), ECC, ROWS, BUSY, .can_mig = 1
// A card without error correction, remapping or MIG.
#define CARD(n)                                                                                              \
    .uuid = GPU_ID(n), .bus = 0x01, .name = "NVIDIA GeForce RTX 4090", .architecture = ADA,                  \
    .capability = {8, 9}, .total = MIB(24564), .reserved = MIB(300), BUSY

#define DIVIDED                                                                                              \
    .mig = 1, .no_utilisation = 1,                                                                           \
    .parts = {                                                                                               \
        {MIG_ID(1), "NVIDIA A100-SXM4-80GB MIG 3g.40gb", GIB(40), GIB(10)},                                  \
        {0},                                                                                                 \
        {MIG_ID(3), "NVIDIA A100-SXM4-80GB MIG 1g.10gb", GIB(10), 0},                                        \
    },                                                                                                       \
    .compute = {{4711, GIB(10), 1, 0}}

static struct gpu gpus[] = {
#if defined SHAPE_A100
    {A100(1), .used = GIB(10), .compute = {{4711, GIB(7), NONE, NONE}, {4712, UNTOLD, NONE, NONE}},
     .graphics = {{4711, GIB(7), NONE, NONE}, {99, MIB(20), NONE, NONE}}, .throttle = 0x4 | 0x40},
#elif defined SHAPE_H100
    {H100(1), .used = 0, .throttle = 0x1, .persistence = 1},
    {H100(2), .used = GIB(70)},
#elif defined SHAPE_H200
    {H200(1), .used = GIB(1), .persistence = 1},
#elif defined SHAPE_MIG
    {A100(1), .used = GIB(10), DIVIDED},
#elif defined SHAPE_MIXED
    {A100(1), .used = GIB(10), DIVIDED},
    {H100(2), .used = GIB(1)},
    {CARD(3), .used = MIB(900)},
#elif defined SHAPE_ZERO_FREE
    {H100(1), .used = MIB(81559 - 551)},
#elif defined SHAPE_LOST_GPU
    // One that has been lost since it was opened, one that cannot be opened, one that is well.
    {H100(1), .lost = 1},
    {H100(2), .unopened = GPU_IS_LOST},
    {H100(3), .used = GIB(1)},
    {H100(4), .unopened = NO_PERMISSION},
#elif defined SHAPE_OLD_DRIVER
    {A100(1), .used = GIB(10)},
#elif defined SHAPE_LARGE_ENTRIES
    {A100(1), .used = GIB(10), .compute = {{4711, GIB(7), NONE, NONE}, {4712, GIB(3), NONE, NONE}}},
#elif defined SHAPE_ECC_ERROR
    {H100(1), .volatile_errors = 2},
    {H100(2), .volatile_errors = 0},
#elif defined SHAPE_REMAP_PENDING
    {H100(1), .pending = 1},
    {H100(2), .pending = 1, .failed = 1},
    {H100(3), .ecc_answer = TIMED_OUT},
    {H100(4), .memory_answer = RESET_REQUIRED},
#elif defined SHAPE_XID
    {H100(1), .xids = {13, 94, 13}},
    {H100(2), .refuses_events = 1},
    {CARD(3), .no_events = 1},
    {H100(4), .xids = {31}},
#elif defined SHAPE_NO_GPU || defined SHAPE_NO_DRIVER || defined SHAPE_MISMATCH || defined SHAPE_NO_PERMISSION || defined SHAPE_BROKEN
    {0},
#else
#error "name a shape"
#endif
};

#if defined SHAPE_NO_DRIVER
static const int start = DRIVER_NOT_LOADED;
#elif defined SHAPE_MISMATCH
static const int start = LIB_RM_VERSION_MISMATCH;
#elif defined SHAPE_NO_PERMISSION
static const int start = NO_PERMISSION;
#elif defined SHAPE_BROKEN
static const int start = UNKNOWN;
#else
static const int start = SUCCESS;
#endif
