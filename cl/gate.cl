// The gate of a gated MLP by itself (Shazeer 2020), where products leave their sums for something to be
// added to (cl/lora.cl):  h[t, f] = act(gate[t, f]) * up[t, f], in the bits of cl/matmul_common.cl's epilogues.
//   gate_up [T, 2F]: blocks of sixteen alternate, gate then up (`apart` 16), or all of gate, then up (F)
// Unit: a block of sixteen outputs.    Moved: 12 bytes an output.
KERNEL void gate(__global float* h, GLOBAL float* gate_up, const int T, const int F,
                 const int apart, const int gelu) {
  const int blocks = (F + 15) / 16, step = apart == F ? 16 : 32;
  const long last = (long)T * blocks * (PART + 1) / PARTS;
  for (long i = (long)T * blocks * PART / PARTS; i < last; ++i) {
    const int b = (int)(i % blocks), n = F - b * 16;
    const long t = i / blocks;
    GLOBAL float* from = gate_up + t * 2 * F + b * step;
    const float16 v = gated(load_partial16(from, n), load_partial16(from + apart, n), gelu);
    store_partial16(v, h + t * F + b * 16, n);
  }
}
