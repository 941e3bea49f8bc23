import Mocha from 'mocha';
import { leftOut } from './availability.ts';

/** Mocha's own report, then the suites that were left out and why, then one plain line with the numbers. */
export default class Reporter extends Mocha.reporters.Spec {
  override epilogue(): void {
    super.epilogue();
    const { passes, failures, pending } = this.stats;
    const suites = leftOut();
    if (suites.length > 0) {
      console.log('Left out:');
      for (const { suite, reason } of suites) console.log(`  ${suite}: ${reason}`);
      console.log();
    }
    console.log(`${passes} passed, ${failures} failed, ${pending} skipped`);
  }
}
