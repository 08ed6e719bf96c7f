// All phases of a recording in one launch. As many work-groups as compute units, so all are resident: they
// walk the phases together and meet after each.
//
// Nobody promises that they run at the same time: where a core is busy elsewhere, those that wait give up
// after a while. A phase has one word of state: the arrivals, and a bit that says that somebody gave up.
// Whoever arrives later finds it and leaves, too; the phase is then complete, and the host goes on with the
// next one by separate launches (src/tensor/resident.h).
#define GAVE_UP 0x80000000u

// True once all have arrived, false where this group must leave.
INLINE int meet(volatile __global uint* word, const uint groups, const int spins,
                volatile __global int* report, const int launch, const int next_phase) {
  mem_fence(CLK_GLOBAL_MEM_FENCE);
  uint seen = atomic_inc(word);
  if (seen & GAVE_UP) return 0;
  ++seen;
  for (int spin = 0; seen != groups; ++spin) {
    if (spin >= spins) {
      const uint old = atomic_cmpxchg(word, seen, seen | GAVE_UP);
      if (old == seen || (old & GAVE_UP)) {
        if (old == seen) {
          report[1] = next_phase;
          report[0] = launch;
        }
        return 0;
      }
    } else {
      spin_pause();
    }
    seen = *word;
    if (seen & GAVE_UP) return 0;
  }
  mem_fence(CLK_GLOBAL_MEM_FENCE);
  return 1;
}

//   table [count, PHASE_WORDS]: kernel, parts, arguments    state [2, count]: this launch's and the next's
//   report: the launch that was given up, and the first phase that it did not begin
__kernel __attribute__((reqd_work_group_size(1, 1, 1), vec_type_hint(float16))) void resident(
    __global const ulong* table, volatile __global uint* state, volatile __global int* report,
    const int count, const int launch, const int spins) {
  const int group = (int)get_global_id(0), groups = (int)get_global_size(0);
  volatile __global uint* words = state + (launch & 1) * count;
  volatile __global uint* next_words = state + ((launch + 1) & 1) * count;
  if (group == 0) {
    for (int i = 0; i < count; ++i) next_words[i] = 0;
  }
  for (int i = 0; i < count; ++i) {
    __global const ulong* phase = table + (long)i * PHASE_WORDS;
    const int parts = (int)phase[1];
    for (int part = group; part < parts; part += groups) {
      run_part((int)phase[0], part, parts, phase + 2);
    }
    if (!meet(words + i, (uint)groups, spins, report, launch, i + 1)) return;
  }
}
