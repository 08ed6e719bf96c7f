/* Live references to OpenCL objects of this process, as cl_counts_layer.c counts them. */
#ifndef INFERENCE_TESTS_STRESS_CL_COUNTS_H_
#define INFERENCE_TESTS_STRESS_CL_COUNTS_H_

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ClCounts {
  long long contexts, queues, buffers, programs, kernels, events;
} ClCounts;

/* Of the layer's library. */
void cl_counts(ClCounts* out);

#ifdef __cplusplus
}
#endif

#endif /* INFERENCE_TESTS_STRESS_CL_COUNTS_H_ */
