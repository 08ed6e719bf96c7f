#include "models/adapter_blocks.h"

#include <array>

#include "util/error.h"

namespace inference {

namespace {

// Layers of a block that read the same input: BlockLora's members.
constexpr size_t kGroups = 4;

size_t GroupOf(LoraTarget target) {
  switch (target) {
    case LoraTarget::kQ:
    case LoraTarget::kK:
    case LoraTarget::kV:
      return 0;
    case LoraTarget::kO:
      return 1;
    case LoraTarget::kGate:
    case LoraTarget::kUp:
      return 2;
    case LoraTarget::kDown:
      return 3;
  }
  return 0;
}

// Where a layer's outputs begin in what its group is added to: q, k and v stand beside each other;
// up begins sixteen columns after gate, or behind all of it.
int64_t ColumnOf(LoraTarget target, const ModelDims& dims, bool alternates) {
  const int64_t q = ShapeOf(LoraTarget::kQ, dims).out, k = ShapeOf(LoraTarget::kK, dims).out;
  if (target == LoraTarget::kK) return q;
  if (target == LoraTarget::kV) return q + k;
  if (target == LoraTarget::kUp) return alternates ? 16 : dims.intermediate_size;
  return 0;
}

// By block, then by group.
using Groups = std::array<std::vector<LoraValues>, kGroups>;

std::vector<Groups> GroupsOf(const AdapterFile& file, const ModelDims& dims,
                             const GateUpAlternates& alternates) {
  std::vector<Groups> out(static_cast<size_t>(dims.num_layers));
  for (const LoraModule& module : file.modules) {
    Require(module.layer >= 0 && module.layer < dims.num_layers, Status::kInternal,
            "adapter: layer {} of {}", module.layer, dims.num_layers);
    const LinearShape shape = ShapeOf(module.target, dims);
    out[static_cast<size_t>(module.layer)][GroupOf(module.target)].push_back(
        {.rank = module.rank,
         .in = shape.in,
         .out = shape.out,
         .A = module.A,
         .B = module.B,
         .scale = module.scale,
         .column = ColumnOf(module.target, dims, alternates && alternates(module.layer))});
  }
  return out;
}

}  // namespace

uint64_t AdapterBytes(const AdapterFile& file, const ModelDims& dims) {
  uint64_t bytes = 0;
  for (const Groups& groups : GroupsOf(file, dims, {})) {
    for (const std::vector<LoraValues>& layers : groups) bytes += LoraBytes(layers);
  }
  return bytes;
}

std::vector<BlockLora> UploadAdapter(Device& device, const AdapterFile& file, const ModelDims& dims,
                                     const GateUpAlternates& alternates) {
  std::vector<BlockLora> out(static_cast<size_t>(dims.num_layers));
  const std::vector<Groups> blocks = GroupsOf(file, dims, alternates);
  for (size_t i = 0; i < blocks.size(); ++i) {
    LoraGroup* const groups[kGroups] = {&out[i].qkv_proj, &out[i].o_proj, &out[i].gate_up_proj,
                                        &out[i].down_proj};
    for (size_t g = 0; g < kGroups; ++g) {
      if (blocks[i][g].empty()) continue;
      const bool alternate = g == GroupOf(LoraTarget::kUp) && alternates(static_cast<int64_t>(i));
      *groups[g] = UploadLora(device, blocks[i][g], alternate ? 32 : 16);
    }
  }
  return out;
}

}  // namespace inference
