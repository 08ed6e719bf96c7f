/* A host in C: load, tokenize, generate by callback and by stepper, cancel, errors.
 *   api_test MODEL_FOLDER
 */
#include <stdio.h>
#include <string.h>

#include "inference.h"

static int g_failures = 0;
static inf_error g_err;

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      ++g_failures;                                                                      \
      printf("%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition, g_err.msg); \
    }                                                                                    \
  } while (0)

typedef struct Seen {
  int tokens;
  int prefills;
  size_t text_bytes;
  inf_cancel* cancel;
} Seen;

static int32_t OnEvent(void* user, const inf_event* event) {
  Seen* seen = (Seen*)user;
  if (event->kind == INF_EVENT_PREFILL) ++seen->prefills;
  if (event->kind == INF_EVENT_TOKEN && event->token >= 0) ++seen->tokens;
  seen->text_bytes += (size_t)event->text_len;
  if (seen->cancel != NULL && seen->tokens == 3) inf_cancel_trigger(seen->cancel);
  return 0;
}

static void Generate(inf_session* session, inf_request* request) {
  Seen seen;
  inf_result result;
  inf_gen* gen = NULL;
  const inf_event* event = NULL;
  inf_cancel* cancel = NULL;
  inf_status status;
  int steps = 0;

  memset(&seen, 0, sizeof(seen));
  memset(&result, 0, sizeof(result));
  result.struct_size = sizeof(result);
  CHECK(inf_generate(session, request, OnEvent, &seen, &result, &g_err) == INF_OK);
  CHECK(seen.tokens == 12 && seen.prefills == 1 && seen.text_bytes > 0);
  CHECK(result.generated_tokens == 12 && result.finish == INF_FINISH_LENGTH);

  CHECK(inf_session_reset(session, &g_err) == INF_OK);
  CHECK(inf_gen_start(session, request, &gen, &g_err) == INF_OK);
  while ((status = inf_gen_next(gen, &event, &g_err)) == INF_OK) {
    if (event->kind == INF_EVENT_TOKEN && event->token >= 0) ++steps;
  }
  CHECK(status == INF_DONE);
  CHECK(steps == 12);
  CHECK(inf_session_reset(session, &g_err) == INF_E_BUSY);
  inf_gen_free(gen);

  CHECK(inf_cancel_new(&cancel, &g_err) == INF_OK);
  CHECK(inf_request_set_cancel(request, cancel, &g_err) == INF_OK);
  CHECK(inf_session_reset(session, &g_err) == INF_OK);
  memset(&seen, 0, sizeof(seen));
  seen.cancel = cancel;
  CHECK(inf_generate(session, request, OnEvent, &seen, &result, &g_err) == INF_E_CANCELLED);
  CHECK(g_err.status == INF_E_CANCELLED && g_err.msg_len == strlen(g_err.msg));
  CHECK(seen.tokens == 3 && result.finish == INF_FINISH_CANCELLED);
  inf_cancel_free(cancel);
}

static void Text(const inf_tokenizer* tokenizer) {
  const char text[] = "The quick brown fox";
  inf_tokens ids;
  inf_buf decoded;
  memset(&ids, 0, sizeof(ids));
  memset(&decoded, 0, sizeof(decoded));
  CHECK(inf_tokenize(tokenizer, text, strlen(text), INF_ADD_SPECIAL, &ids, &g_err) == INF_OK);
  CHECK(ids.len == 5);
  CHECK(inf_detokenize(tokenizer, ids.data, ids.len, INF_SKIP_SPECIAL, &decoded, &g_err) == INF_OK);
  CHECK(decoded.len == strlen(text) && memcmp(decoded.data, text, decoded.len) == 0);
  inf_tokens_free(&ids);
  inf_buf_free(&decoded);
}

int main(int argc, char** argv) {
  inf_runtime* runtime = NULL;
  inf_model* model = NULL;
  inf_tokenizer* tokenizer = NULL;
  inf_session* session = NULL;
  inf_request* request = NULL;
  inf_sampling sampling;
  const char prompt[] = "The quick brown fox";

  if (argc != 2) return 2;
  memset(&g_err, 0, sizeof(g_err));
  g_err.struct_size = sizeof(g_err);
  CHECK(inf_check_abi(INF_VERSION_NUMBER, &g_err) == INF_OK);
  CHECK(inf_runtime_new(NULL, NULL, NULL, NULL, &runtime, &g_err) == INF_OK);
  CHECK(inf_model_load(runtime, "/no/such", 8, NULL, NULL, NULL, NULL, &model, &g_err) ==
        INF_E_NOT_FOUND);
  CHECK(model == NULL && strstr(g_err.msg, "/no/such") != NULL);
  CHECK(inf_model_load(runtime, argv[1], strlen(argv[1]), NULL, NULL, NULL, NULL, &model, &g_err) ==
        INF_OK);
  inf_runtime_free(runtime); /* the model keeps it */
  CHECK(inf_model_tokenizer(model, &tokenizer, &g_err) == INF_OK);
  Text(tokenizer);
  CHECK(inf_session_new(model, NULL, &session, &g_err) == INF_OK);
  CHECK(inf_request_new(&request, &g_err) == INF_OK);
  inf_sampling_init(&sampling);
  sampling.max_tokens = 12;
  sampling.flags = INF_SAMPLING_IGNORE_END;
  CHECK(inf_request_set_sampling(request, &sampling, &g_err) == INF_OK);
  CHECK(inf_request_set_text(request, prompt, strlen(prompt), INF_ADD_SPECIAL, &g_err) == INF_OK);
  Generate(session, request);
  inf_model_free(model);
  inf_tokenizer_free(tokenizer);
  inf_request_free(request);
  inf_session_free(session);
  inf_session_free(session);
  CHECK(inf_session_reset(session, &g_err) == INF_E_HANDLE);
  if (g_failures == 0) printf("ok\n");
  return g_failures == 0 ? 0 : 1;
}
