#include "cli/demo/report.h"

#include "cli/demo/policies.h"

#define SCHEMA "blindbox.demo/1"

static json_t *microseconds(int64_t ns) {
    return ns < 0 ? json_null() : json_integer((json_int_t)(ns / 1000));
}

static json_t *step_json(size_t number, const struct bb_demo_step *step) {
    json_t *values = json_object(), *times = json_object();
    for (size_t i = 0; i < step->n; i++) {
        const struct bb_demo_fact *f = &step->fact[i];
        (void)json_object_set_new(values, f->name,
                                  json_string(f->value[0] != '\0' ? f->value : f->text));
        if (f->ns >= 0)
            (void)json_object_set_new(times, f->name, microseconds(f->ns));
    }
    return json_pack("{s:i, s:s, s:s, s:o, s:o, s:o}", "step", (int)number, "title", step->title,
                     "text", step->text, "us", microseconds(step->ns), "values", values,
                     "values_us", times);
}

json_t *bb_demo_steps_json(const struct bb_demo_steps *steps) {
    json_t *array = json_array();
    for (size_t i = 0; i < BB_DEMO_STEPS; i++)
        if (steps->step[i].title != NULL)
            (void)json_array_append_new(array, step_json(i + 1, &steps->step[i]));
    return array;
}

static json_t *answer(enum bb_status status, int code, const char *field, const char *text,
                      uint64_t app_bytes) {
    return json_pack("{s:s, s:i, s:s, s:s, s:I}", "class", bb_status_name(status), "exit", code,
                     "field", field, "text", text, "app_bytes", (json_int_t)app_bytes);
}

json_t *bb_demo_refusal_json(const struct bb_demo_row *row, const struct bb_demo_outcome *got,
                             const char *why) {
    char text[BB_TEXT_MAX];
    bb_demo_expected_text(row, text, sizeof text);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:{s:s, s:s}, s:b, s:s?}", "name", row->name,
                     "title", row->title, "mode", bb_demo_mode_name(row->mode), "expected",
                     answer(row->status, row->exit, row->field, text, 0), "got",
                     answer(got->status, got->exit, got->field, got->text, got->app_bytes), "check",
                     "expected", got->expected, "found", got->found, "ok", why == NULL, "why", why);
}

json_t *bb_demo_report_json(enum bb_verifier_mode mode, json_t *steps, json_t *refusals, bool ok,
                            const struct bb_error *err) {
    json_t *o =
        json_pack("{s:s, s:b, s:s, s:o, s:o, s:b}", "schema", SCHEMA, "simulated", true, "mode",
                  bb_demo_mode_name(mode), "steps", steps, "refusals", refusals, "ok", ok);
    if (err->status != BB_OK)
        (void)json_object_set_new(o, "error",
                                  json_pack("{s:s, s:s, s:s}", "class", bb_status_name(err->status),
                                            "field", err->field, "text", err->text));
    return o;
}
