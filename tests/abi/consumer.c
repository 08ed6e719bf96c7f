/* A program that was compiled when one of the headers in this folder was released, run with the
 * library of today: a model, a text through callbacks, a batch, a score. It may use what 0.1
 * declares and nothing later. consumer MODEL_FOLDER
 */
#include ABI_HEADER

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kTokens = 8, kGuard = 64, kUntouched = 0xa5 };

static int g_failures = 0;
static inf_error* g_err;

#define CHECK(condition)                                                                  \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      ++g_failures;                                                                       \
      printf("%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition, g_err->msg); \
    }                                                                                     \
  } while (0)

/* A struct of zeros with its struct_size, and behind it bytes that a library with a longer one must
 * leave. */
static void* New(size_t size) {
  const uint32_t struct_size = (uint32_t)size;
  unsigned char* made = malloc(size + kGuard);
  if (made == NULL) exit(3);
  memset(made, 0, size);
  memset(made + size, kUntouched, kGuard);
  memcpy(made, &struct_size, sizeof(struct_size));
  return made;
}

static void Delete(void* made, size_t size) {
  const unsigned char* guard = (const unsigned char*)made + size;
  uint32_t struct_size = 0;
  memcpy(&struct_size, made, sizeof(struct_size));
  CHECK(struct_size == size);
  for (int i = 0; i < kGuard; ++i) CHECK(guard[i] == kUntouched);
  free(made);
}

#define NEW(type) ((type*)New(sizeof(type)))
#define DELETE(made) Delete(made, sizeof(*(made)))

/* What the tiny model's golden file continues the prompt with. */
static const char kPrompt[] = "The quick brown fox";
static const inf_token kGreedy[kTokens] = {16, 199, 442, 95, 168, 168, 18, 18};

typedef struct Seen {
  int prefills;
  int tokens;
  size_t text_len;
  char text[256];
} Seen;

static int32_t OnEvent(void* user, const inf_event* event) {
  Seen* seen = user;
  CHECK(event->struct_size >= sizeof(*event));
  if (event->kind == INF_EVENT_PREFILL) {
    ++seen->prefills;
    CHECK(event->step == event->total);
  } else if (event->kind == INF_EVENT_TOKEN) {
    CHECK(seen->text_len + event->text_len <= sizeof(seen->text));
    memcpy(seen->text + seen->text_len, event->text, (size_t)event->text_len);
    seen->text_len += (size_t)event->text_len;
    if (event->token < 0) return 0; /* the rest of the text */
    CHECK(seen->tokens < kTokens && event->token == kGreedy[seen->tokens]);
    CHECK(event->ids_len == 1 && event->ids[0] == event->token);
    CHECK(event->logprobs[0] == event->logprob && event->logprob < 0);
    ++seen->tokens;
  }
  return 0;
}

static int32_t OnProgress(void* user, const inf_event* event) {
  *(uint64_t*)user = event->total;
  return event->kind == INF_EVENT_PROGRESS && event->step <= event->total ? 0 : -1;
}

static void CheckResult(const inf_result* result) {
  CHECK(result->finish == INF_FINISH_LENGTH && result->generated_tokens == kTokens);
  CHECK(result->prompt_tokens == 5 && result->cached_tokens == 0);
  CHECK(result->total_ns >= result->prefill_ns && result->decode_tok_s > 0);
  CHECK(result->peak_bytes >= result->active_bytes && result->active_bytes > 0);
  CHECK(result->dropped_tokens == 0 && result->overflows == 0);
}

static void Generate(inf_model* model, const inf_request* request, Seen* seen) {
  inf_session_options* options = NEW(inf_session_options);
  inf_result* result = NEW(inf_result);
  inf_metrics* metrics = NEW(inf_metrics);
  inf_session* session = NULL;
  options->capacity = 32;
  CHECK(inf_session_new(model, options, &session, g_err) == INF_OK);
  CHECK(inf_session_capacity(session) == 32);
  CHECK(inf_generate(session, request, OnEvent, seen, result, g_err) == INF_OK);
  CHECK(seen->prefills == 1 && seen->tokens == kTokens && seen->text_len > 0);
  CheckResult(result);
  CHECK(inf_session_metrics(session, metrics, g_err) == INF_OK);
  CHECK(metrics->requests == 1 && metrics->generated_tokens == kTokens && metrics->kv_bytes > 0);
  inf_session_free(session);
  DELETE(metrics);
  DELETE(result);
  DELETE(options);
}

/* Two requests at once: each gives what it gives alone. */
static void Batch(inf_model* model, const inf_request* request, const Seen* want) {
  inf_batch_options* options = NEW(inf_batch_options);
  inf_batch* batch = NULL;
  const inf_batch_event* event = NULL;
  uint64_t ids[2] = {0, 0};
  Seen seen[2];
  inf_status status;
  memset(seen, 0, sizeof(seen));
  options->slots = 2;
  CHECK(inf_batch_new(model, options, &batch, g_err) == INF_OK);
  for (int i = 0; i < 2; ++i) {
    CHECK(inf_batch_add(batch, NULL, request, &ids[i], g_err) == INF_OK);
  }
  while ((status = inf_batch_next(batch, &event, g_err)) == INF_OK) {
    CHECK(event->struct_size >= sizeof(*event) && event->status == INF_OK);
    CHECK(event->id == ids[0] || event->id == ids[1]);
    CHECK((event->event == NULL) == (event->result != NULL) && event->message_len == 0);
    if (event->event != NULL) OnEvent(&seen[event->id == ids[1]], event->event);
    if (event->result != NULL) CHECK(event->result->generated_tokens == kTokens);
  }
  CHECK(status == INF_DONE);
  for (int i = 0; i < 2; ++i) {
    CHECK(seen[i].tokens == kTokens && seen[i].text_len == want->text_len);
    CHECK(memcmp(seen[i].text, want->text, want->text_len) == 0);
  }
  inf_batch_free(batch);
  DELETE(options);
}

static void Score(inf_model* model) {
  const inf_token context[] = {480, 350, 367, 370}, continuation[] = {368, 369};
  inf_score_desc* score = NEW(inf_score_desc);
  inf_next_desc* next = NEW(inf_next_desc);
  inf_session* session = NULL;
  inf_floats logprobs = {NULL, 0, 0};
  inf_tokens top = {NULL, 0, 0};
  CHECK(inf_session_new(model, NULL, &session, g_err) == INF_OK);
  CHECK(inf_score(session, context, 4, continuation, 2, NULL, score, &logprobs, g_err) == INF_OK);
  CHECK(score->tokens == 2 && score->is_greedy == 0 && logprobs.len == 2);
  CHECK(score->total_logprob > -25.0740 && score->total_logprob < -25.0720); /* golden: -25.0730 */
  CHECK(inf_next_top(session, context, 4, 3, NULL, &top, &logprobs, next, g_err) == INF_OK);
  CHECK(top.len == 3 && logprobs.len == 3 && next->tail == INF_TAIL_SOME && next->entropy > 0);
  inf_tokens_free(&top);
  inf_floats_free(&logprobs);
  inf_session_free(session);
  DELETE(next);
  DELETE(score);
}

static void Describe(const inf_runtime* runtime, const inf_model* model) {
  inf_model_desc* desc = NEW(inf_model_desc);
  inf_device_desc* device = NEW(inf_device_desc);
  inf_memory_desc* memory = NEW(inf_memory_desc);
  CHECK(inf_model_info(model, desc, g_err) == INF_OK);
  CHECK(strcmp(desc->architecture, "llama") == 0 && strcmp(desc->format, "safetensors") == 0);
  CHECK(desc->num_attention_heads > desc->num_key_value_heads && desc->context_length == 64);
  CHECK(inf_device_info(runtime, desc->device, device, g_err) == INF_OK);
  CHECK(device->name[0] != '\0' && device->memory_bytes >= device->max_alloc_bytes);
  CHECK(inf_memory_info(runtime, desc->device, memory, g_err) == INF_OK);
  CHECK(memory->active_bytes >= desc->weight_bytes && memory->peak_bytes >= memory->active_bytes);
  DELETE(memory);
  DELETE(device);
  DELETE(desc);
}

int main(int argc, char** argv) {
  inf_config* config = NULL;
  inf_runtime* runtime = NULL;
  inf_model* model = NULL;
  inf_request* request = NULL;
  inf_sampling* sampling = NEW(inf_sampling);
  uint64_t bytes = 0;
  Seen seen;
  memset(&seen, 0, sizeof(seen));
  g_err = NEW(inf_error);
  if (argc != 2) return 2;
  CHECK(inf_check_abi(INF_VERSION_NUMBER, g_err) == INF_OK);
  CHECK(inf_config_new(&config, g_err) == INF_OK);
  CHECK(inf_config_set_i64(config, "n_ctx", 5, 64, g_err) == INF_OK);
  CHECK(inf_runtime_new(NULL, NULL, NULL, NULL, &runtime, g_err) == INF_OK);
  CHECK(inf_model_load(runtime, "/no/such", 8, NULL, NULL, NULL, NULL, &model, g_err) ==
        INF_E_NOT_FOUND);
  CHECK(g_err->status == INF_E_NOT_FOUND && g_err->msg_len == strlen(g_err->msg));
  CHECK(inf_model_load(runtime, argv[1], strlen(argv[1]), config, NULL, OnProgress, &bytes, &model,
                       g_err) == INF_OK);
  CHECK(bytes > 0);
  Describe(runtime, model);
  inf_sampling_init(sampling);
  CHECK(sampling->max_tokens == 256 && sampling->order[0] == 0);
  sampling->max_tokens = kTokens;
  sampling->flags = INF_SAMPLING_IGNORE_END;
  CHECK(inf_request_new(&request, g_err) == INF_OK);
  CHECK(inf_request_set_sampling(request, sampling, g_err) == INF_OK);
  CHECK(inf_request_set_logprobs(request, INF_LOGPROBS_GENERATED, 1, g_err) == INF_OK);
  CHECK(inf_request_set_text(request, kPrompt, strlen(kPrompt), INF_ADD_SPECIAL, g_err) == INF_OK);
  Generate(model, request, &seen);
  Batch(model, request, &seen);
  Score(model);
  inf_request_free(request);
  inf_model_free(model);
  inf_runtime_free(runtime);
  inf_config_free(config);
  DELETE(sampling);
  if (g_failures == 0)
    printf("ok: header %u, library %s\n", INF_VERSION_NUMBER, inf_version_string());
  DELETE(g_err);
  return g_failures == 0 ? 0 : 1;
}
