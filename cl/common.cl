// Prepended to every program.
#pragma OPENCL FP_CONTRACT OFF
