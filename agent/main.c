/* SPDX-License-Identifier: Apache-2.0 */
/* Where the program begins. Everything else is in the library, so that tests reach it. */
#include "agent/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
