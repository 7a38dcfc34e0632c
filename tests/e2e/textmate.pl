# textmate.pl GRAMMAR FILE PLACES: the scopes that a TextMate grammar gives the places of a file, which stand as "line:column ..." in
# PLACES. As editors do it: at each point of a line the rule that matches first from there on wins, among equals the earlier one; a rule
# with `begin` puts its own rules in force until its `end`.
use strict;
use warnings;
use JSON::PP;

sub slurp { local $/; open my $in, '<', $_[0] or die "$_[0]: $!"; return scalar <$in> }
my ($grammar_path, $path, $places_path) = @ARGV;
my $grammar = decode_json(slurp($grammar_path));

# The rules of a list, with `include` followed; each gets what it looks for as `pattern`.
sub rules {
    return map {
        my $rule = $_->{include} ? $grammar->{repository}{substr $_->{include}, 1} // die "no rule $_->{include}" : $_;
        $rule->{pattern} = $rule->{match} // $rule->{begin};
        defined $rule->{pattern} ? $rule : rules(@{$rule->{patterns}});
    } @_;
}

my @scope;    # [line][column], from 0
sub paint { my ($line, $from, $to, $name) = @_; $scope[$line][$_] = $name for $from .. $to - 1 }

# Paints the last match: the whole with name, its groups as captures say.
sub paint_match {
    my ($line, $name, $captures) = @_;
    paint($line, $-[0], $+[0], $name) if $name;
    for my $group (sort keys %{$captures // {}}) {
        paint($line, $-[$group], $+[$group], $captures->{$group}{name}) if defined $-[$group];
    }
}

# The stack of what is in force: rules, and before them, as a rule of its own, the end of the innermost.
my @stack = ([rules(@{$grammar->{patterns}})]);
my @lines = split /\n/, slurp($path);
for my $n (0 .. $#lines) {
    my $at = 0;
    while ($at <= length $lines[$n]) {
        my ($best, $start);
        for my $rule (@{$stack[-1]}) {
            pos($lines[$n]) = $at;
            next unless $lines[$n] =~ /$rule->{pattern}/g && (!defined $start || $-[0] < $start);
            ($best, $start) = ($rule, $-[0]);
        }
        last unless $best;
        pos($lines[$n]) = $at;
        $lines[$n] =~ /$best->{pattern}/g;
        $at = $+[0] > $at ? $+[0] : $at + 1;
        paint_match($n, $best->{name}, $best->{captures} // $best->{beginCaptures});
        pop @stack if $best->{ends};
        push @stack, [{pattern => $best->{end}, ends => 1}, rules(@{$best->{patterns}})] if $best->{begin};
    }
}

open my $places, '<', $places_path or die "$places_path: $!";
while (<$places>) {
    my ($line, $column) = /^(\d+):(\d+)/ or next;
    print "$line:$column ", $scope[$line - 1][$column - 1] // '', "\n";
}
