# A C file that keeps a compiler busy: n functions that call each other.
BEGIN {
	print "typedef struct { double x[8]; unsigned long n; } state;"
	for (i = 0; i < n; i++) {
		printf "unsigned long f%d(state *s, unsigned long a)\n{\n", i
		printf "\tfor (unsigned long i = 0; i < a %% %d; i++) {\n", i % 17 + 3
		printf "\t\ts->x[i %% 8] = s->x[(i + %d) %% 8] * %d.5 + (double)(a ^ i);\n", i % 5 + 1, i
		printf "\t\tif (s->x[i %% 8] > %d.25) s->n += i << %d;\n", i * 31, i % 13
		printf "\t\tswitch ((s->n + i) %% %d) { case 0: a += %d; break; case 1: a *= 3; break; case 2: s->n ^= a; }\n", i % 7 + 3, i
		printf "\t}\n\treturn %s + s->n * %dUL;\n}\n", i ? "f" (i - 1) "(s, a >> 1)" : "a", i * 2654435761
	}
}
