/* The version of stasis, and that of the CRIU whose commands, images and protocol it speaks. */
#ifndef STASIS_CLI_VERSION_H
#define STASIS_CLI_VERSION_H

#ifndef STASIS_VERSION
#define STASIS_VERSION "0.1.0"
#endif
#define CRIU_VERSION "4.2"

#endif
