/* The smallest program there is: what fork, exec and exit cost by themselves. */
int main(void)
{
	return 0;
}
