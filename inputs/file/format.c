/* SPDX-License-Identifier: Apache-2.0 */
/* What the options `format` and `multiline` stand for: stages in front of the pipeline's. */
#include "inputs/file/file.h"
#include "lib/clock.h"
#include "pipeline/stages/cri.h"
#include "pipeline/stages/docker.h"

const struct conf_enum file_format_names[] = {
	{ "raw", FORMAT_RAW, "they are what the program wrote" },
	{ "cri", FORMAT_CRI, "as the stage `cri` reads them" },
	{ "docker", FORMAT_DOCKER, "as the stage `docker` reads them" },
	{ "auto", FORMAT_AUTO, "each by its look: one of the above" },
	{ NULL, 0, NULL },
};

size_t file_stages(struct conf_doc *doc, const void *arg, struct input_stage *ret)
{
	const struct file_conf *conf = arg;
	struct cri_conf *cri = conf_alloc(doc, sizeof(*cri));
	struct docker_conf *docker = conf_alloc(doc, sizeof(*docker));
	struct partial_conf partial = { conf->partial_wait_ns, conf->max_line };
	bool is_auto = conf->format == FORMAT_AUTO;
	size_t n = 0;

	if (!partial.max_wait_ns)
		partial.max_wait_ns = 3600 * NS_PER_S;
	*cri = (struct cri_conf){ .partial = partial,
				  .is_strict = true,
				  .sets_no_values = true,
				  .flags_others = !is_auto };
	*docker = (struct docker_conf){ .partial = partial,
					.is_strict = true,
					.sets_no_values = true,
					.flags_others = !is_auto };
	if (is_auto || conf->format == FORMAT_DOCKER)
		ret[n++] = (struct input_stage){ "docker", docker };
	if (is_auto || conf->format == FORMAT_CRI)
		ret[n++] = (struct input_stage){ "cri", cri };
	if (multiline_is_set(&conf->multiline))
		ret[n++] = (struct input_stage){ "multiline", &conf->multiline };
	return n;
}
