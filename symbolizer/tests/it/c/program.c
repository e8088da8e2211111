/* Prints where its functions are, where `inlined` stands in `outer`, and what is mapped. */
#include <stdio.h>

static void *place;

__attribute__((noinline)) static void mark(void) { place = __builtin_return_address(0); }

__attribute__((always_inline)) static inline void inlined(void) {
    mark(); /* line 9 */
}

__attribute__((noinline)) static int outer(void) {
    inlined(); /* line 13 */
    return place != 0;
}

__attribute__((noinline)) int exported(int number) { return number + 1; }

/* `first` ends where `second` begins, as a function does whose last instruction calls one that never returns. */
void first(void);
void second(void);
void label(void);
__asm__(".text\n"
        ".globl first\n.type first,%function\nfirst: nop\n.size first,.-first\n"
        ".globl second\n.type second,%function\nsecond: nop\n nop\n.size second,.-second\n"
        "nop\nnop\n"
        ".globl label\n.type label,%function\nlabel: nop\n nop\n");

int main(void) {
    int ignored = outer() + exported(1);
    printf("place %p\nouter %p\nexported %p\n", place, (void *)outer, (void *)exported);
    printf("first %p\nsecond %p\nlabel %p\nmain %p\n", (void *)first, (void *)second, (void *)label, (void *)main);
    FILE *maps = fopen("/proc/self/maps", "r");
    for (int byte; maps && (byte = fgetc(maps)) != EOF;) putchar(byte);
    return ignored == 0;
}
