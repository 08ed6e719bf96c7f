// Batches, forks and cuts through the C ABI.
#include <map>

#include "capi/api.h"

namespace inference::capi_test {
namespace {

Request NewRequest(const Ids& prompt, int32_t max_tokens, inf_cancel* cancel = nullptr) {
  Request request;
  EXPECT_OK(inf_request_new(request.out(), &err));
  EXPECT_OK(inf_request_set_tokens(request.get(), prompt.data(), prompt.size(), &err));
  inf_sampling sampling;
  inf_sampling_init(&sampling);
  sampling.max_tokens = max_tokens;
  sampling.temperature = 0.9f;
  sampling.flags = INF_SAMPLING_IGNORE_END;
  EXPECT_OK(inf_request_set_sampling(request.get(), &sampling, &err));
  EXPECT_OK(inf_request_set_cancel(request.get(), cancel, &err));
  return request;
}

int32_t Collect(void* user, const inf_event* event) {
  const bool is_token = event->kind == INF_EVENT_TOKEN && event->token >= 0;  // or text held back
  if (is_token) static_cast<Ids*>(user)->push_back(event->token);
  return 0;
}

Ids Alone(const Request& request) {
  const Session session = NewSession();
  Ids ids;
  EXPECT_OK(inf_generate(session.get(), request.get(), Collect, &ids, nullptr, &err));
  return ids;
}

Batch NewBatch(uint32_t slots = 0) {
  auto options = Sized<inf_batch_options>();
  options.slots = slots;
  Batch batch;
  EXPECT_OK(inf_batch_new(SharedModel(), &options, batch.out(), &err));
  return batch;
}

struct Ended {
  Ids ids;
  uint32_t finish = INF_FINISH_NONE;
  int32_t status = INF_OK;
  std::string message;
};

int32_t Gather(void* user, const inf_batch_event* event) {
  Ended& ended = (*static_cast<std::map<uint64_t, Ended>*>(user))[event->id];
  EXPECT_EQ(event->struct_size, sizeof(inf_batch_event));
  EXPECT_NE(event->event == nullptr, event->result == nullptr);
  if (event->event != nullptr) return Collect(&ended.ids, event->event);
  ended.finish = event->result->finish;
  ended.status = event->status;
  ended.message.assign(event->message, event->message_len);
  return 0;
}

TEST(Batch, RequestsGiveWhatTheyGiveAlone) {
  const Request first = NewRequest({480, 350, 367}, 12), second = NewRequest({5, 6, 7, 8}, 20);
  const Batch batch = NewBatch(2);
  const Session session = NewSession();
  uint64_t ids[3] = {};
  ASSERT_OK(inf_batch_add(batch.get(), nullptr, first.get(), &ids[0], &err));
  ASSERT_OK(inf_batch_add(batch.get(), session.get(), second.get(), &ids[1], &err));
  ASSERT_OK(inf_batch_add(batch.get(), nullptr, second.get(), &ids[2], &err));
  EXPECT_EQ(ids[0], 1u);
  // The session is the batch's for as long.
  EXPECT_FAILS(INF_E_BUSY, "session", inf_session_reset(session.get(), &err));
  uint64_t again = 77;
  EXPECT_FAILS(INF_E_STATE, "session: is in request 2 of this batch",
               inf_batch_add(batch.get(), session.get(), first.get(), &again, &err));
  EXPECT_EQ(again, 77u);
  std::map<uint64_t, Ended> got;
  ASSERT_OK(inf_batch_run(batch.get(), Gather, &got, &err));
  EXPECT_EQ(got.size(), 3u);
  EXPECT_EQ(got[ids[0]].ids, Alone(first));
  EXPECT_EQ(got[ids[1]].ids, Alone(second));
  EXPECT_EQ(got[ids[2]].ids, Alone(second));
  for (const auto& [id, ended] : got) {
    EXPECT_EQ(ended.finish, uint32_t{INF_FINISH_LENGTH});
    EXPECT_EQ(ended.status, INF_OK) << ended.message;
  }
  EXPECT_EQ(inf_session_length(session.get()), 4u + 19u);
  EXPECT_OK(inf_session_reset(session.get(), &err));
  const inf_batch_event* event = nullptr;
  EXPECT_EQ(inf_batch_next(batch.get(), &event, nullptr), INF_DONE);
  EXPECT_EQ(event, nullptr);
}

TEST(Batch, ACancelEndsOneARemovalAnotherAndTheRestGoesOn) {
  Cancel cancel;
  ASSERT_OK(inf_cancel_new(cancel.out(), &err));
  const Request cancelled = NewRequest({480, 350}, 50, cancel.get()), plain = NewRequest({9, 8}, 9);
  const Batch batch = NewBatch();
  uint64_t first = 0, second = 0, third = 0;
  ASSERT_OK(inf_batch_add(batch.get(), nullptr, cancelled.get(), &first, &err));
  ASSERT_OK(inf_batch_add(batch.get(), nullptr, plain.get(), &second, &err));
  ASSERT_OK(inf_batch_add(batch.get(), nullptr, plain.get(), &third, &err));
  const inf_batch_event* event = nullptr;
  ASSERT_OK(inf_batch_next(batch.get(), &event, &err));
  EXPECT_EQ(event->id, first);
  inf_cancel_trigger(cancel.get());
  ASSERT_OK(inf_batch_remove(batch.get(), third, &err));
  EXPECT_FAILS(INF_E_ARG, "batch: no request 3 is left",
               inf_batch_remove(batch.get(), third, &err));
  std::map<uint64_t, Ended> got;
  ASSERT_OK(inf_batch_run(batch.get(), Gather, &got, &err));
  EXPECT_EQ(got.count(third), 0u);
  EXPECT_EQ(got[first].finish, uint32_t{INF_FINISH_CANCELLED});
  EXPECT_EQ(got[first].status, INF_E_CANCELLED);
  EXPECT_THAT(got[first].message, testing::HasSubstr("cancelled"));
  EXPECT_EQ(got[second].ids.size(), 9u);
}

int32_t StopAtOnce(void* user, const inf_batch_event*) { return *static_cast<int32_t*>(user); }

TEST(Batch, ARunThatIsStoppedCanGoOn) {
  const Request request = NewRequest({480, 350, 367}, 6);
  const Batch batch = NewBatch();
  uint64_t id = 0;
  ASSERT_OK(inf_batch_add(batch.get(), nullptr, request.get(), &id, &err));
  int32_t answer = 1;
  ASSERT_OK(inf_batch_run(batch.get(), StopAtOnce, &answer, &err));
  answer = -5;
  EXPECT_FAILS(INF_E_CALLBACK, "returned -5",
               inf_batch_run(batch.get(), StopAtOnce, &answer, &err));
  std::map<uint64_t, Ended> got;
  ASSERT_OK(inf_batch_run(batch.get(), Gather, &got, &err));
  EXPECT_EQ(got[id].finish, uint32_t{INF_FINISH_LENGTH});
}

TEST(Batch, WhatCannotBe) {
  auto options = Sized<inf_batch_options>();
  options.slots = 65;
  Batch batch;
  EXPECT_FAILS(INF_E_ARG, "batch: slots is 65, want 1..64",
               inf_batch_new(SharedModel(), &options, batch.out(), &err));
  EXPECT_EQ(batch.get(), nullptr);
  batch = NewBatch();
  Request empty;
  ASSERT_OK(inf_request_new(empty.out(), &err));
  uint64_t id = 0;
  EXPECT_FAILS(INF_E_STATE, "request: has no prompt",
               inf_batch_add(batch.get(), nullptr, empty.get(), &id, &err));
  inf_batch_free(nullptr);
}

TEST(SessionForks, GoOnApartWithTheSameBits) {
  const Request request = NewRequest({480, 350, 367, 370, 12, 13, 14}, 40);
  const Ids want = Alone(request);
  const Session session = NewSession();
  const Ids prompt = {480, 350, 367, 370, 12, 13};
  Floats logits;
  ASSERT_OK(
      inf_session_logits(session.get(), prompt.data(), prompt.size(), nullptr, &logits, &err));
  Session fork;
  ASSERT_OK(inf_session_fork(session.get(), fork.out(), &err));
  EXPECT_EQ(inf_session_length(fork.get()), 6u);
  ASSERT_OK(inf_session_truncate(session.get(), 2, &err));
  EXPECT_EQ(inf_session_length(session.get()), 2u);
  EXPECT_EQ(inf_session_length(fork.get()), 6u);
  EXPECT_FAILS(INF_E_ARG, "truncate: length is 3, the session holds 2",
               inf_session_truncate(session.get(), 3, &err));
  for (const inf_session* each : {session.get(), fork.get()}) {
    const uint64_t held = inf_session_length(each);
    Request rest = NewRequest({}, 40);
    const Ids all = {480, 350, 367, 370, 12, 13, 14};
    const Ids left(all.begin() + static_cast<std::ptrdiff_t>(held), all.end());
    ASSERT_OK(inf_request_set_tokens(rest.get(), left.data(), left.size(), &err));
    Ids got;
    ASSERT_OK(
        inf_generate(const_cast<inf_session*>(each), rest.get(), Collect, &got, nullptr, &err));
    EXPECT_EQ(got, want);
  }
}

}  // namespace
}  // namespace inference::capi_test
