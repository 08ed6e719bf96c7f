// Products with a packed matrix (cl/weights.cl):  y[t, o] = sum_k W[o, k] * a[t, k]
//
// Every kernel here adds in the same order: acc = fma(w, a, acc), k ascending from 0. So they give the
// same bits, and which one runs is a question of speed alone:
//   prepare      a of many rows, in tiles of TILE tokens: packed[t / TILE][k][t % TILE], zero-padded
//   matvec       one row, CPU devices: normalises the input itself, bandwidth bound
//   matmul       many rows, CPU devices: unpacks 32 rows of W once, then walks the tokens; compute bound
//   matmul_each  any rows, one output a work-item: GPU devices
#ifndef TILE
  #define TILE 14  // tokens a register tile: 14 x 2 vectors of accumulators
#endif
#define BLOCKS 4   // row blocks that a matvec walks at once: enough chains to hide fma's latency

// How the input is made (src/ops/matmul.h, MatmulInput).
#define INPUT_PLAIN 0
#define INPUT_NORM 1
#define INPUT_RESIDUAL_NORM 2

#define EPILOGUE_STORE 0
#define EPILOGUE_ADD 1
#define EPILOGUE_SILU_GATE 2
#define EPILOGUE_GELU_GATE 3
#define IS_GATED(epilogue) ((epilogue) >= EPILOGUE_SILU_GATE)

INLINE float inv_rms(GLOBAL float* x, const int D, const float eps) {
  float16 sum = 0.0f;
  for (int d = 0; d < D; d += 16) {
    const float16 v = load_partial16(x + d, D - d);
    sum = fma(v, v, sum);
  }
  return 1.0f / sqrt(sum16(sum) / (float)D + eps);
}

// One row of the input into row[0, D), zeros up to padded_D. `sum`, where not null, gets x + the
// normed delta. row may not overlap the inputs.
INLINE void prepare_row(__global float* row, GLOBAL float* x, GLOBAL float* norm_weight,
                        GLOBAL float* delta, GLOBAL float* delta_norm_weight, __global float* sum,
                        const int D, const int padded_D, const float eps, const int mode) {
  if (mode == INPUT_RESIDUAL_NORM) {
    const float inv = inv_rms(delta, D, eps);
    for (int d = 0; d < D; d += 16) {
      const float16 normed =
          load_partial16(delta + d, D - d) * inv * load_partial16(delta_norm_weight + d, D - d);
      const float16 v = load_partial16(x + d, D - d) + normed;
      store_partial16(v, row + d, D - d);
      if (sum) store_partial16(v, sum + d, D - d);
    }
  } else {
    for (int d = 0; d < D; d += 16) store_partial16(load_partial16(x + d, D - d), row + d, D - d);
  }
  if (mode != INPUT_PLAIN) {
    const float inv = inv_rms(row, D, eps);
    for (int d = 0; d < D; d += 16) {
      const float16 v = load_partial16(row + d, D - d) * inv;
      store_partial16(v * load_partial16(norm_weight + d, D - d), row + d, D - d);
    }
  }
  for (int d = D; d < padded_D; ++d) row[d] = 0.0f;
}

// Unit: a token. scratch: [parts, padded_D].
KERNEL void prepare(__global float* packed, __global float* sum, __global float* scratch,
                    GLOBAL float* x, GLOBAL float* norm_weight, GLOBAL float* delta,
                    GLOBAL float* delta_norm_weight, const int T, const int D, const int padded_D,
                    const int first_row, const int tile, const float eps, const int mode) {
  __global float* row = scratch + (long)PART * padded_D;
  const int last = SHARE_LAST(T, PART, PARTS);
  for (int t = SHARE_FIRST(T, PART, PARTS); t < last; ++t) {
    const long from = (long)(first_row + t) * D;
    prepare_row(row, x + from, norm_weight, delta + from, delta_norm_weight, sum + (long)t * D, D,
                padded_D, eps, mode);
    __global float* out = packed + (long)(t / tile) * tile * padded_D + t % tile;
    for (int d = 0; d < padded_D; ++d) out[(long)d * tile] = row[d];
  }
}

// gate / (1 + exp(-gate)) and the tanh form of gelu, which is gate / (1 + exp(-2u)).
INLINE float16 gated(const float16 gate, const float16 up, const int epilogue) {
  float16 u = gate;
  if (epilogue == EPILOGUE_GELU_GATE) {
    u = 1.5957691216057308f * fma(0.044715f * gate * gate, gate, gate);  // 2 sqrt(2 / pi) (...)
  }
  return gate / (1.0f + exp16(-u)) * up;
}

INLINE void finish(const float16 acc, __global float* y, GLOBAL float* residual, const int row,
                   const int rows, const int epilogue) {
  float16 v = acc;
  if (epilogue == EPILOGUE_ADD) v += load_partial16(residual + row, rows - row);
  store_partial16(v, y + row, rows - row);
}

// acc[r] += the product of row block r (`stride` bytes apart) with a[0, K), for R blocks at once.
INLINE void dot_blocks(float16* acc, GLOBAL uchar* w, const long stride, GLOBAL float* a,
                       const int K, const int R) {
  const int supers = SUPERS(K);
  for (int s = 0; s < supers; ++s) {
    for (int u = 0; u < SUPER_UNITS; ++u) {
      GLOBAL uchar* super = w + (long)s * SUPER_BYTES;
      GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
      GLOBAL float* au = a + (s * SUPER_UNITS + u) * UNIT_COLUMNS;
      float16 d[BLOCKS], m[BLOCKS];
#pragma unroll
      for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
#pragma unroll
        for (int r = 0; r < R; ++r) unit_scales(super + r * stride, u, half_unit, &d[r], &m[r]);
#pragma unroll
        for (int j = 0; j < 16 / SCALES_A_UNIT; ++j) {
          const int i = half_unit * 8 + j;
          const float a0 = au[2 * i], a1 = au[2 * i + 1];
#pragma unroll
          for (int r = 0; r < R; ++r) {
            float16 q0, q1;
            unit_pair(unit + r * stride, i, &q0, &q1);
            acc[r] = fma(to_weight(q0, d[r], m[r]), (float16)(a0), acc[r]);
            acc[r] = fma(to_weight(q1, d[r], m[r]), (float16)(a1), acc[r]);
          }
        }
      }
    }
  }
}

// R row blocks from block b on, and what becomes of their outputs.
INLINE void matvec_blocks(__global float* y, GLOBAL uchar* w, GLOBAL float* a,
                          GLOBAL float* residual, const int b, const int K, const int rows,
                          const int epilogue, const int R) {
  const long stride = ROW_BLOCK_BYTES(K);
  float16 acc[BLOCKS];
#pragma unroll
  for (int r = 0; r < R; ++r) acc[r] = 0.0f;
  dot_blocks(acc, w + b * stride, stride, a, K, R);
  if (IS_GATED(epilogue)) {
#pragma unroll
    for (int r = 0; r + 1 < R; r += 2) {
      vstore16(gated(acc[r], acc[r + 1], epilogue), (b + r) / 2, y);
    }
  } else {
#pragma unroll
    for (int r = 0; r < R; ++r) finish(acc[r], y, residual, (b + r) * 16, rows, epilogue);
  }
}

// Unit: a row block, or a pair of them where gated. scratch: [parts, padded_K].
KERNEL void matvec(__global float* y, __global float* sum, __global float* scratch,
                   GLOBAL uchar* w, GLOBAL float* x, GLOBAL float* norm_weight,
                   GLOBAL float* delta, GLOBAL float* delta_norm_weight, GLOBAL float* residual,
                   const int K, const int padded_K, const int rows, const int first_row,
                   const int column, const float eps, const int mode, const int epilogue) {
  __global float* a = scratch + (long)PART * padded_K;
  const long from = (long)first_row * K;
  prepare_row(a, x + from, norm_weight, delta + from, delta_norm_weight, PART == 0 ? sum : 0, K,
              padded_K, eps, mode);
  const int per_unit = IS_GATED(epilogue) ? 2 : 1;
  const int units = (rows + 15) / 16 / per_unit;
  const int last = SHARE_LAST(units, PART, PARTS) * per_unit;
  int b = SHARE_FIRST(units, PART, PARTS) * per_unit;
  __global float* out = y + column;
  for (; b + 4 <= last; b += 4) matvec_blocks(out, w, a, residual, b, K, rows, epilogue, 4);
  switch (last - b) {
    case 3: matvec_blocks(out, w, a, residual, b, K, rows, epilogue, 3); break;
    case 2: matvec_blocks(out, w, a, residual, b, K, rows, epilogue, 2); break;
    case 1: matvec_blocks(out, w, a, residual, b, K, rows, epilogue, 1); break;
    default: break;
  }
}

// Row block w to panel[k][32], from lane `at` on.
INLINE void unpack_block(__global float* panel, GLOBAL uchar* w, const int at, const int K) {
  const int supers = SUPERS(K);
  for (int s = 0; s < supers; ++s) {
    for (int u = 0; u < SUPER_UNITS; ++u) {
      GLOBAL uchar* super = w + (long)s * SUPER_BYTES;
      GLOBAL uchar* unit = super + HEADER_BYTES + u * UNIT_BYTES;
      __global float* out = panel + (long)(s * SUPER_UNITS + u) * UNIT_COLUMNS * 32 + at;
#pragma unroll
      for (int half_unit = 0; half_unit < SCALES_A_UNIT; ++half_unit) {
        float16 d, m;
        unit_scales(super, u, half_unit, &d, &m);
#pragma unroll
        for (int j = 0; j < 16 / SCALES_A_UNIT; ++j) {
          const int i = half_unit * 8 + j;
          float16 q0, q1;
          unit_pair(unit, i, &q0, &q1);
          vstore16(to_weight(q0, d, m), 0, out + (2 * i) * 32);
          vstore16(to_weight(q1, d, m), 0, out + (2 * i + 1) * 32);
        }
      }
    }
  }
}

// N tokens of one tile against the panel. y, residual: row 0 is the tile's first token.
INLINE void matmul_tile(__global float* y, GLOBAL float* panel, GLOBAL float* a,
                        GLOBAL float* residual, const int row, const int K, const int rows,
                        const int ld_y, const int ld_residual, const int tokens,
                        const int epilogue, const int N) {
  float16 acc0[TILE], acc1[TILE];
#pragma unroll
  for (int t = 0; t < N; ++t) acc0[t] = acc1[t] = 0.0f;
  for (int k = 0; k < K; ++k) {
    const float16 w0 = vload16(2 * k, panel), w1 = vload16(2 * k + 1, panel);
#pragma unroll
    for (int t = 0; t < N; ++t) {
      const float16 v = a[k * TILE + t];
      acc0[t] = fma(w0, v, acc0[t]);
      acc1[t] = fma(w1, v, acc1[t]);
    }
  }
#pragma unroll
  for (int t = 0; t < N; ++t) {
    if (t >= tokens) continue;
    __global float* out = y + (long)t * ld_y;
    if (IS_GATED(epilogue)) {
      vstore16(gated(acc0[t], acc1[t], epilogue), row / 32, out);
    } else {
      GLOBAL float* r = residual + (long)t * ld_residual;
      finish(acc0[t], out, r, row, rows, epilogue);
      if (row + 16 < rows) finish(acc1[t], out, r, row + 16, rows, epilogue);
    }
  }
}

// Unit: a panel of 32 rows. panels: [parts, padded_K, 32].
KERNEL void matmul(__global float* y, __global float* panels, GLOBAL uchar* w, GLOBAL float* packed,
                   GLOBAL float* residual, const int T, const int K, const int padded_K,
                   const int rows, const int ld_y, const int column, const int epilogue) {
  const long stride = ROW_BLOCK_BYTES(K);
  __global float* panel = panels + (long)PART * padded_K * 32;
  const int blocks = (rows + 15) / 16, units = (blocks + 1) / 2;
  const int last = SHARE_LAST(units, PART, PARTS);
  for (int unit = SHARE_FIRST(units, PART, PARTS); unit < last; ++unit) {
    const int b = unit * 2;
    unpack_block(panel, w + b * stride, 0, K);
    if (b + 1 < blocks) unpack_block(panel, w + (b + 1) * stride, 16, K);
    for (int t = 0; t < T; t += TILE) {
      __global float* out = y + (long)t * ld_y + column;
      GLOBAL float* r = residual + (long)t * rows;
      GLOBAL float* a = packed + (long)t * padded_K;
      const int n = min(TILE, T - t);
      if (n > 8) {
        matmul_tile(out, panel, a, r, b * 16, K, rows, ld_y, rows, n, epilogue, TILE);
      } else if (n > 4) {
        matmul_tile(out, panel, a, r, b * 16, K, rows, ld_y, rows, n, epilogue, 8);
      } else if (n > 2) {
        matmul_tile(out, panel, a, r, b * 16, K, rows, ld_y, rows, n, epilogue, 4);
      } else {
        matmul_tile(out, panel, a, r, b * 16, K, rows, ld_y, rows, n, epilogue, 2);
      }
    }
  }
}

INLINE float dot_each(GLOBAL uchar* w, GLOBAL float* a, const int row, const int K) {
  float acc = 0.0f;
  for (int k = 0; k < K; ++k) acc = fma(weight_at(w, K, row, k), a[k], acc);
  return acc;
}

// Unit: an output. packed: [T, padded_K] (prepared with tile = 1).
KERNEL void matmul_each(__global float* y, GLOBAL uchar* w, GLOBAL float* packed,
                        GLOBAL float* residual, const int T, const int K, const int padded_K,
                        const int rows, const int ld_y, const int column, const int epilogue) {
  const int outputs = IS_GATED(epilogue) ? rows / 2 : rows;
  for (long unit = PART; unit < (long)T * outputs; unit += PARTS) {
    const int t = (int)(unit / outputs), o = (int)(unit % outputs);
    GLOBAL float* a = packed + (long)t * padded_K;
    float v;
    if (IS_GATED(epilogue)) {
      const int gate_row = o / 16 * 32 + o % 16;
      v = gated((float16)(dot_each(w, a, gate_row, K)), (float16)(dot_each(w, a, gate_row + 16, K)),
                epilogue)
              .s0;
    } else {
      v = dot_each(w, a, o, K);
      if (epilogue == EPILOGUE_ADD) v += residual[(long)t * rows + o];
    }
    y[(long)t * ld_y + column + o] = v;
  }
}
