/** Why, as the answer names it, and as the user is told. The last three are the specification's "suspected automated abuse patterns". */
export const suspensionReasons = {
  repeated_rate_limit_violations: 'too many requests were refused because they came too fast',
  repeated_payment_failures: 'too many payments failed',
  suspected_automation_invented_ids: 'many payments, transfers, gifts or accounts were asked for that have never been',
  suspected_automation_new_tokens: 'very many new sessions were opened in an hour',
  suspected_automation_refused_hours: 'requests went on coming too fast through most of the hours of a day',
} as const;

export type SuspensionReason = keyof typeof suspensionReasons;
