// Several requests at once: every step computes the next token of all that have their prompt, and
// beside them as much of the prompts that wait as fits. A request has the bits it has alone.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/request_run.h"

namespace inference {

struct BatchOptions {
  int64_t slots = 16;       // requests that run at a time, 1..kMaxSlots; others wait
  int64_t step_tokens = 0;  // of a step, at most; 0 = the model's prefill_chunk
};

struct BatchEvent {
  uint64_t id = 0;
  GenerateEvent event;    // where the request goes on
  bool is_done = false;   // or it has ended: with `result`, and where it failed with
  GenerateResult result;  //   finish kError or kCancelled, why
  std::optional<Status> status;
  std::string message;
};

// One caller at a time.
class Batch {
 public:
  static constexpr int64_t kMaxSlots = 64;

  Batch(std::shared_ptr<Model> model, const BatchOptions& options);
  ~Batch();

  // Joins at the next step. `session`: null = one of its own, that goes with the request; a session
  // may be in one request at a time (STATE), and nobody else may use it until that has ended. ARG,
  // CONTEXT_FULL as Generation.
  uint64_t Add(std::shared_ptr<Session> session, GenerateRequest request);
  // Leaves without another event; false where there is none of that id. Its session holds what was
  // computed.
  bool Remove(uint64_t id);
  size_t size() const { return items_.size(); }  // requests that have not ended

  // One step; what came of it, in the order of the requests. A request that fails or is cancelled
  // ends by itself; DEVICE_LOST and what else concerns all of them is thrown.
  std::vector<BatchEvent> Step();

 private:
  struct Item;
  using Items = std::vector<Item*>;

  Items Running();  // of the slots, cancelled ones ended
  void Compute(Items running);
  void ComputeScores(Item& item);
  void Fail(Item& item, Status status, const std::string& message);
  void TakeEvents(std::vector<BatchEvent>& out);

  const std::shared_ptr<Model> model_;
  const BatchOptions options_;
  std::deque<std::unique_ptr<Item>> items_;  // the oldest first
  uint64_t next_id_ = 1;
  size_t turn_ = 0;  // whose prompt comes first
};

}  // namespace inference
