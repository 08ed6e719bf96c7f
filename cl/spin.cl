// Waits as groups do in cl/resident.cl for what does not come, to see how long that takes. word: [2], 0 in the
// first place.
KERNEL void spin(volatile __global uint* word, const int spins) {
  uint seen = *word;
  for (int i = 0; i < spins && seen == 0; ++i) {
    spin_pause();
    seen = *word;
  }
  word[1] = seen;
}
