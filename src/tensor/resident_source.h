// The source of a kernel that runs several kernels of cl/ as phases of one launch.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace inference {

// A kernel of cl/, as Device::GetKernel takes it.
struct PhaseKernel {
  std::string kernel;
  std::vector<std::string> files;
  std::string defines;  // "-D NAME=VALUE ..."

  bool operator==(const PhaseKernel&) const = default;
};

constexpr int kPhaseWords = 24;  // of a phase in the table: kernel, parts, arguments

// Their files, once for each set of files and defines, with names of their own: a kernel becomes a
// function that gets PART and PARTS as arguments. Then
//   void run_part(kernel, part, parts, arguments)
// which calls the one at index `kernel`, and cl/resident.cl.
std::string ResidentSource(std::span<const PhaseKernel> kernels);

}  // namespace inference
