#!/usr/bin/perl
# Sorts, matches and hashes while an interval timer ticks, with children that answer over pipes.
use strict;
use warnings;
use Fcntl qw(:flock :seek);
use IPC::Open2;
use Time::HiRes qw(setitimer ITIMER_REAL usleep);

my ($round, $ticks, $ended) = (0, 0, 0);
$SIG{ALRM} = sub { $ticks++ };
$SIG{CHLD} = sub { $ended++ };

sub put { open(my $f, '>', $_[0]) or exit 3; print $f "$_[1]\n" or exit 3; close($f) or exit 3 }
sub result { put("$ENV{VICTIM_RESULT}.part", $_[0]); rename("$ENV{VICTIM_RESULT}.part", $ENV{VICTIM_RESULT}); exit($_[0] ne 'ok') }
sub check { my ($right, $what) = @_; result("FAIL $what") unless $right }

# A child of ours that turns lines around, and a program at the end of two pipes.
pipe(my $from_us, my $to_child) or die;
pipe(my $from_child, my $to_us) or die;
my $child = fork() // die;
if ($child == 0) {
	close($to_child); close($from_child);
	select($to_us); $| = 1;
	while (my $line = <$from_us>) { chomp $line; print scalar reverse($line), "\n" }
	exit 5;
}
close($from_us); close($to_us);
my $sed = open2(my $from_sed, my $to_sed, 'sed', '-u', 's/number/answer/');
$_->autoflush(1) for $to_child, $to_sed;

# Written and read through the same handle, deleted, and locked.
open(my $notes, '+>', "$ENV{VICTIM_RESULT}.notes") or die;
unlink("$ENV{VICTIM_RESULT}.notes");
setitimer(ITIMER_REAL, 0.01, 0.01);

my (%words, @order);
while (!$round || !-e "$ENV{VICTIM_GO}.$round") {
	my $n = keys(%words) + 1;
	my $word = sprintf('w%05d', ($n * 7919) % 100003);
	$words{$word} = $n;
	print $to_child "$word\n";
	chomp(my $back = <$from_child> // '');
	check($back eq reverse($word), "'$word' came back as '$back'");
	print $to_sed "number $n\n";
	chomp(my $answer = <$from_sed> // '');
	check($answer eq "answer $n", "sed said '$answer' to number $n");
	print $notes "$word\n";
	if ($n % 50 == 0) {
		@order = sort { $words{$a} <=> $words{$b} } keys %words;
		check(join(',', @order) =~ /^(?:w\d{5},?){$n}$/, 'the words are not what they were');
		my $sum = `echo $n | cksum`;
		check($? == 0 && $sum =~ /^\d+ \d+$/, "cksum said '$sum'");
	}
	put("$ENV{VICTIM_READY}." . ++$round, '') if $n == 200;
}

my $before = $ticks;
usleep(10_000) for 1 .. 10;
check($ticks > $before, 'the timer has stopped');
seek($notes, 0, SEEK_SET);
chomp(my @lines = <$notes>);
check("@lines" eq join(' ', map { sprintf('w%05d', ($_ * 7919) % 100003) } 1 .. keys %words), 'the notes are wrong');
close($to_child); close($to_sed);
setitimer(ITIMER_REAL, 0);
check(waitpid($child, 0) == $child && $? == 5 << 8, "the child ended with $?");
check(waitpid($sed, 0) == $sed && $? == 0, "sed ended with $?");
check($ended >= 1, 'no SIGCHLD came');
result('ok');
