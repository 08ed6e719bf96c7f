#ifndef INFERENCE_GO_OVERHEAD_H_
#define INFERENCE_GO_OVERHEAD_H_

#include <inference.h>

/* Where the next gaps go, in nanoseconds; n at most. */
void inf_go_note_gaps(int64_t* out, size_t n);
size_t inf_go_gaps_noted(void);

/* Generations in a loop in C, on a model of its own. */
inf_status inf_go_loop(const char* path, const char* prompt, int32_t tokens, int32_t rounds,
                       inf_error* err);

#endif /* INFERENCE_GO_OVERHEAD_H_ */
