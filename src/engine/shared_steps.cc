#include "engine/shared_steps.h"

#include <algorithm>

namespace inference {

namespace {

using Ids = std::span<const int32_t>;

// A shared beginning costs every sequence that goes on from it the copy of a page.
constexpr size_t kWorthSharing = 16;
constexpr size_t kMaxGroups = 64;  // beginnings held at a time: a page of keys and values at least

Ids Beginning(const SharedItem& item) {  // the ids that may be shared
  return Ids(item.ids).first(item.ids.size() - static_cast<size_t>(item.outputs));
}

size_t Common(Ids a, Ids b) {
  return static_cast<size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

// What all items begin with, where it is long enough or the session holds it already.
Ids Base(const Session& session, std::span<const SharedItem> items) {
  Ids base = Beginning(items[0]);
  for (const SharedItem& item : items) base = base.first(Common(base, Beginning(item)));
  return base.size() >= kWorthSharing ? base : base.first(Common(base, session.tokens()));
}

// Makes the session hold exactly `ids`; returns how many of them it held already.
uint64_t Hold(Session& session, Ids ids, const CancelFlag* cancel) {
  const auto kept = static_cast<size_t>(session.KeepPrefix(ids));
  const auto most = static_cast<size_t>(session.model().prefill_chunk());
  for (size_t done = kept; done < ids.size(); done += most) {
    ThrowIfCancelled(cancel, "batch");
    session.Prefill(ids.subspan(done, std::min(most, ids.size() - done)), cancel);
  }
  return kept;
}

// Neighbours [first, end) that begin with the same `shared` ids, those of the session included.
struct Group {
  size_t first = 0, end = 0, shared = 0;
};

Group GroupAt(std::span<const SharedItem> items, size_t first, size_t base) {
  const auto common = [&](size_t i) {  // of items i and i + 1
    return i + 1 < items.size() ? Common(Beginning(items[i]), Beginning(items[i + 1])) : 0;
  };
  Group group{first, first + 1, common(first)};
  if (group.shared < base + kWorthSharing || common(first + 1) > group.shared) {
    return {first, first + 1, base};
  }
  while (common(group.end - 1) >= group.shared) ++group.end;
  return group;
}

// Groups whose beginnings are held together: [first, end) of the items.
void RunGroups(Session& session, const KvSequence& base, std::span<const SharedItem> items,
               std::span<const Group> groups, int64_t max_outputs, const CancelFlag* cancel,
               const PackedStep& step) {
  Executor& executor = session.model().executor();
  const auto adapters = session.adapters().uses();
  const auto held = static_cast<size_t>(base.length());
  std::vector<std::optional<KvSequence>> beginnings(groups.size());
  std::vector<PackedItem> packed;
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].shared == held) continue;
    packed.push_back({Ids(items[groups[g].first].ids).subspan(held, groups[g].shared - held), 0,
                      &base, &beginnings[g], adapters});
  }
  RunPacked(executor, packed, max_outputs, cancel,
            [&](Executor::Rows rows, auto) { executor.Prefill(rows, cancel); });
  packed.clear();
  for (size_t g = 0; g < groups.size(); ++g) {
    for (size_t i = groups[g].first; i < groups[g].end; ++i) {
      packed.push_back({Ids(items[i].ids).subspan(groups[g].shared), items[i].outputs,
                        beginnings[g] ? &*beginnings[g] : &base, nullptr, adapters});
    }
  }
  RunPacked(executor, packed, max_outputs, cancel,
            [&](Executor::Rows rows, std::span<const PackedOutputs> outputs) {
              std::vector<PackedOutputs> moved(outputs.begin(), outputs.end());
              for (PackedOutputs& of_row : moved) of_row.item += groups[0].first;
              step(rows, moved);
            });
}

}  // namespace

uint64_t RunShared(Session& session, std::span<const SharedItem> items, int64_t max_outputs,
                   const CancelFlag* cancel, const PackedStep& step) {
  if (items.empty()) return 0;
  const Ids base = Base(session, items);
  const uint64_t cached = Hold(session, base, cancel);
  Executor& executor = session.model().executor();
  const auto budget = static_cast<size_t>(executor.max_tokens());
  size_t next = 0;
  while (next < items.size()) {
    std::vector<Group> groups;
    size_t tokens = 0, sharing = 0;
    while (next < items.size() && tokens < budget && sharing < kMaxGroups) {
      groups.push_back(GroupAt(items, next, base.size()));
      next = groups.back().end;
      tokens += groups.back().shared - base.size();
      sharing += groups.back().shared > base.size();
    }
    RunGroups(session, session.sequence(), items, groups, max_outputs, cancel, step);
  }
  return cached;
}

}  // namespace inference
