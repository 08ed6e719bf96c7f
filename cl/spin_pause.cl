// What a core does while it waits for another one.
INLINE void spin_pause(void) {
#if defined(__x86_64__) && defined(__clang__)
  __builtin_ia32_pause();
#endif
}
