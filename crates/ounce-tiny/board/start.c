/* Start-up of a Cortex-M under simulation: vectors, memory, painted stack, semihosting. */
#include "ounce_board.h"

/* Statuses beyond those of the program. */
#define OUNCE_STATUS_FAULT 125

#define OUNCE_PAINT 0xC0FFEE11U

extern uint32_t ounce_stack_low[];
extern uint32_t ounce_stack_high[];
extern uint32_t ounce_data_low[];
extern uint32_t ounce_data_high[];
extern const uint32_t ounce_data_image[];
extern uint32_t ounce_bss_low[];
extern uint32_t ounce_bss_high[];

void ounce_reset(void);
void ounce_fault(void);

static int32_t ounce_semihost(int32_t operation, const void *arguments)
{
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static size_t ounce_length(const char *text)
{
    size_t n = 0U;
    while (text[n] != '\0') {
        n++;
    }
    return n;
}

static int32_t ounce_open(const char *name, uint32_t mode)
{
    const uint32_t arguments[3] = {(uint32_t)name, mode, (uint32_t)ounce_length(name)};
    return ounce_semihost(0x01, arguments);
}

int32_t ounce_open_read(const char *name)
{
    return ounce_open(name, 1U);
}

int32_t ounce_open_write(const char *name)
{
    return ounce_open(name, 5U);
}

int32_t ounce_read(int32_t handle, void *to, size_t bytes)
{
    const uint32_t arguments[3] = {(uint32_t)handle, (uint32_t)to, (uint32_t)bytes};
    const int32_t missing = ounce_semihost(0x06, arguments);
    return ((missing < 0) || ((size_t)missing > bytes)) ? -1 : ((int32_t)bytes - missing);
}

int32_t ounce_write(int32_t handle, const void *from, size_t bytes)
{
    const uint32_t arguments[3] = {(uint32_t)handle, (uint32_t)from, (uint32_t)bytes};
    return ounce_semihost(0x05, arguments);
}

int32_t ounce_close(int32_t handle)
{
    const uint32_t arguments[1] = {(uint32_t)handle};
    return ounce_semihost(0x02, arguments);
}

void ounce_print(const char *text)
{
    (void)ounce_semihost(0x04, text);
}

__attribute__((noinline)) void ounce_mark(void)
{
    __asm__ volatile("" ::: "memory");
}

void ounce_exit(int32_t status)
{
    const uint32_t arguments[2] = {0x20026U, (uint32_t)status};
    const uint32_t *touched = ounce_stack_low;
    while ((touched < ounce_stack_high) && (*touched == OUNCE_PAINT)) {
        touched++;
    }
    const uint32_t peak = (uint32_t)ounce_stack_high - (uint32_t)touched;
    const int32_t file = ounce_open_write("ounce-stack");
    (void)ounce_write(file, &peak, sizeof peak);
    (void)ounce_close(file);
    for (;;) {
        (void)ounce_semihost(0x20, arguments);
    }
}

__attribute__((noreturn)) static void ounce_begin(void)
{
    const uint32_t *from = ounce_data_image;
    for (uint32_t *to = ounce_data_low; to < ounce_data_high; to++) {
        *to = *from;
        from++;
    }
    for (uint32_t *to = ounce_bss_low; to < ounce_bss_high; to++) {
        *to = 0U;
    }
    /* Everything below this frame is painted; a margin for the frame itself is left out and counts as used. */
    const uint32_t *here = (const uint32_t *)__builtin_frame_address(0);
    for (uint32_t *to = ounce_stack_low; (to + 16) < here; to++) {
        *to = OUNCE_PAINT;
    }
    ounce_exit(ounce_main());
    for (;;) {
    }
}

void ounce_reset(void)
{
    /* Full access to the floating-point unit. */
    *(volatile uint32_t *)0xE000ED88U |= 0xFU << 20;
    /* No access to the megabyte below the stack: region 0 of the MPU, all else as without one. */
    *(volatile uint32_t *)0xE000ED98U = 0U;
    *(volatile uint32_t *)0xE000ED9CU = 0x1FF00000U;
    *(volatile uint32_t *)0xE000EDA0U = (1U << 28) | (19U << 1) | 1U;
    *(volatile uint32_t *)0xE000ED94U = 5U;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    ounce_begin();
}

/* Runs on a stack that has room again: a fault may come from one that had none. */
static void ounce_end_fault(void)
{
    const uint32_t arguments[2] = {0x20026U, OUNCE_STATUS_FAULT};
    for (;;) {
        (void)ounce_semihost(0x20, arguments);
    }
}

__attribute__((naked)) void ounce_fault(void)
{
    __asm__ volatile("ldr r0, =ounce_stack_high\n\tmov sp, r0\n\tb %c0" ::"i"(ounce_end_fault));
}

typedef struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} ounce_vector_table;

__attribute__((section(".vectors"), used)) static const ounce_vector_table ounce_vectors = {
    ounce_stack_high,
    {ounce_reset, ounce_fault, ounce_fault, ounce_fault, ounce_fault, ounce_fault, NULL, NULL, NULL, NULL, ounce_fault, ounce_fault, NULL,
     ounce_fault, ounce_fault}};
