// What a step computes (src/tensor/step_buffer.h): lists of T values, one after the other, then page tables.
#define STEP_TOKENS 8                                // ids
#define STEP_POSITIONS(T) (STEP_TOKENS + (T))        // of the tokens in their sequences
#define STEP_SINGLES(T) (STEP_TOKENS + 2 * (T))      // tokens that are a row by themselves
#define STEP_TILES(T) (STEP_TOKENS + 3 * (T))        // first token * 16 + number of tokens of one row
#define STEP_OUTPUTS(T) (STEP_TOKENS + 4 * (T))      // tokens whose hidden states are wanted
#define STEP_BASES(T, group) (STEP_TOKENS + (5 + (group)) * (T))  // page of block b of a token: step[base + b]
