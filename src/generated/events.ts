/** Contents of Matrix events, made from schema/events/ by `npm run generate`: do not edit. */

/**
 * A user withdrew what they had granted to a mini-app: specification section 5.6. State, its key is the mini-app's id.
 */
export interface RoomTweenAuthorizationContent {
  /**
   * The scopes of revoked_scopes are no longer authorized
   */
  authorized: false;
  /**
   * Seconds since the Unix epoch
   */
  revoked_at: number;
  revoked_scopes: string[];
  /**
   * What the mini-app still has
   */
  remaining_scopes: string[];
  reason: string;
  /**
   * The same as revoked_scopes
   */
  tmcp_scopes: string[];
  /**
   * Scopes of Matrix tokens that were revoked with them; this server hands none out
   */
  matrix_scopes: string[];
  /**
   * A Matrix user id
   */
  sender: string;
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * Somebody was sent money and has to activate the account to use it: specification sections 6.3.10 and 8.1.4.
 */
export interface AccountActivateContent {
  msgtype: 'm.tween.account_activation';
  body: string;
  /**
   * Who sent the money
   */
  sender: string;
  /**
   * Whose account it is
   */
  recipient: string;
  wallet_id: string;
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  /**
   * Where the account is activated
   */
  activation_url: string;
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * Content of an m.room.message with msgtype m.tween.card: a rich card that a mini-app shows in a room (specification section 8.1.3). Sent by the mini-app's own virtual user.
 */
export interface TweenCardContent {
  msgtype: 'm.tween.card';
  /**
   * The card in words, for clients that know no cards
   */
  body: string;
  /**
   * The mini-app
   */
  miniapp_id: string;
  card_id: string;
  /**
   * The user for whom the mini-app sent it
   */
  sender: string;
  card: {
    type: string;
    title: string;
    description?: string;
    image?: string;
    /**
     * Left out in encrypted rooms (decision D18)
     */
    price?: {
      /**
       * Whole units: an integer, or a decimal string (decision D19)
       */
      amount: number | string;
      amount_minor: number;
      currency: string;
    };
    /**
     * @maxItems 5
     */
    actions?:
      | []
      | [
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          }
        ]
      | [
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          },
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          }
        ]
      | [
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          },
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          },
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          }
        ]
      | [
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          },
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          },
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          },
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          }
        ]
      | [
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          },
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          },
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          },
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          },
          {
            type: 'button';
            label: string;
            action: 'miniapp.open';
            params: {
              miniapp_id: string;
              path?: string;
            };
          }
        ];
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * The event referred to could not be acted on (decision D11).
 */
export interface TweenErrorContent {
  /**
   * A code of specification section 12.2 or decision D13
   */
  code: string;
  message: string;
  'm.relates_to': {
    rel_type: 'm.reference';
    /**
     * The event that this one answers
     */
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * The time of a gift is over, and what was left of it is the giver's again.
 */
export interface GiftExpiredContent {
  gift_id: string;
  expired_at: string;
  opened_count: number;
  remaining_count: number;
  /**
   * What was returned
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  /**
   * Who gave it
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  /**
   * The event that announced it
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * A gift that can be opened: specification section 7.5.4.
 */
export interface GiftContent {
  msgtype: 'm.tween.gift';
  body: string;
  gift_id: string;
  type: 'individual' | 'group';
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  /**
   * The same as amount
   */
  total_amount?: number | string;
  transaction: {
    txn_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    [k: string]: unknown;
  };
  count: number;
  /**
   * What the giver wrote. Absent in encrypted rooms
   */
  message?: string;
  /**
   * Who gives
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  /**
   * Of an individual gift
   */
  recipient?: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  status: 'active';
  opened_count: 0;
  expires_at: string;
  actions: {
    type: 'open';
    label: string;
    endpoint: string;
    [k: string]: unknown;
  }[];
  timestamp: string;
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * Somebody opened a gift: specification section 7.5.4.
 */
export interface GiftOpenedContent {
  gift_id: string;
  /**
   * A Matrix user id
   */
  opened_by: string;
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  opened_at: string;
  remaining_count: number;
  /**
   * The largest shares first. Empty in encrypted rooms
   *
   * @maxItems 10
   */
  leaderboard:
    | []
    | [
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        }
      ]
    | [
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        }
      ]
    | [
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        }
      ]
    | [
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        }
      ]
    | [
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        }
      ]
    | [
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        }
      ]
    | [
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        }
      ]
    | [
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        }
      ]
    | [
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        }
      ]
    | [
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        },
        {
          /**
           * A Matrix user id
           */
          user: string;
          /**
           * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
           */
          amount: number | string;
          /**
           * The truth: minor units of the currency. Absent in encrypted rooms
           */
          amount_minor: number;
          [k: string]: unknown;
        }
      ];
  /**
   * The event that announced it
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * Content of the `m.room.message` that tells a user, in their notice room, that their factors were changed (decision D20): text that every client shows, and the same for programs.
 */
export interface MfaNoticeContent {
  msgtype: 'm.text';
  body: string;
  'm.tween.mfa': {
    factor: 'pin' | 'totp' | 'device' | 'passkey' | 'recovery_code' | 'lock';
    change:
      'added' | 'changed' | 'removed' | 'used' | 'reset_requested' | 'reset_cancelled' | 'reset_done' | 'unlocked';
    /**
     * Of the device or passkey
     */
    name?: string;
    changed_at: string;
    allowed_by: 'fresh_sign_in' | 'transaction_pin' | 'totp' | 'biometric' | 'time' | 'session' | 'administrator';
    /**
     * Of a PIN that was reset
     */
    effective_at?: string;
    limits_lowered_until?: string;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * State event, the state key is the mini-app's id: its public state, in the catalogue room and in rooms where it was launched or installed (decision D11).
 */
export interface MiniappAppContent {
  /**
   * The mini-app
   */
  miniapp_id: string;
  name: string;
  classification: 'official' | 'verified' | 'community' | 'beta';
  category: string;
  version: string;
  /**
   * Only rises (decision D16)
   */
  version_code?: number;
  /**
   * Of the bundle, where the version comes as one
   */
  hash?: string;
  /**
   * State of the registry machine
   */
  status: 'draft' | 'submitted' | 'under_review' | 'approved' | 'active' | 'rejected' | 'suspended' | 'retired';
  entry_point: string;
  icon_url?: string;
  updated_at: string;
  [k: string]: unknown;
}

/**
 * A user installed a mini-app: specification section 8.2. The bot is the Matrix sender, the user is in the content.
 */
export interface MiniappInstalledContent {
  /**
   * The mini-app
   */
  miniapp_id: string;
  name: string;
  version: string;
  classification: 'official' | 'verified' | 'community' | 'beta';
  /**
   * A Matrix user id
   */
  sender: string;
  install_id: string;
  installed_at: string;
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * A user or bot asks to launch a mini-app in a room: specification section 8.1.1. Answered with m.tween.miniapp.launched or m.tween.error.
 */
export interface MiniappLaunchContent {
  /**
   * The mini-app
   */
  miniapp_id: string;
  /**
   * Where the user tapped, for instance chat_bubble
   */
  launch_source?: string;
  /**
   * Handed to the mini-app as they are
   */
  launch_params?: {
    [k: string]: unknown;
  };
  /**
   * The client's own name for the session; made by the server when absent
   */
  session_id?: string;
  [k: string]: unknown;
}

/**
 * A launch was recorded as a session; refers to the event that asked for it, where it was asked for in the room (decision D11).
 */
export interface MiniappLaunchedContent {
  /**
   * The mini-app
   */
  miniapp_id: string;
  name: string;
  version: string;
  /**
   * What a client opens
   */
  entry_point: string;
  session_id: string;
  /**
   * A Matrix user id
   */
  sender: string;
  launch_source: string;
  launched_at: string;
  'm.relates_to'?: {
    rel_type: 'm.reference';
    /**
     * The event that this one answers
     */
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * A user removed a mini-app, and what went with it: specification section 8.2.
 */
export interface MiniappUninstalledContent {
  /**
   * The mini-app
   */
  miniapp_id: string;
  /**
   * A Matrix user id
   */
  sender: string;
  uninstalled_at: string;
  reason: 'user_initiated';
  data_cleanup: {
    storage_cleared: boolean;
    permissions_revoked: boolean;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * A client of the user applied an update: specification section 8.1.4. The bot is the Matrix sender, the user is in the content.
 */
export interface MiniappUpdatedContent {
  /**
   * The mini-app
   */
  miniapp_id: string;
  previous_version: string;
  new_version: string;
  update_type: 'major' | 'minor' | 'patch' | 'rollback';
  /**
   * A Matrix user id
   */
  sender: string;
  updated_at: string;
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * The specification's second name for m.tween.wallet.p2p (section 4.11.3, decision D19); sent beside it where transfers.send_second_event is set.
 */
export interface P2PTransferContent {
  msgtype: 'm.tween.money';
  body: string;
  transfer_id: string;
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  transaction: {
    txn_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    [k: string]: unknown;
  };
  /**
   * What the payer wrote. Absent in encrypted rooms
   */
  note?: string;
  /**
   * Who pays
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  /**
   * Who is paid
   */
  recipient: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  status: 'completed' | 'pending_recipient_acceptance';
  recipient_acceptance_required: boolean;
  /**
   * Until when it can be accepted
   */
  expires_at?: string;
  actions?: {
    type: 'accept' | 'reject';
    label: string;
    /**
     * A path of this server
     */
    endpoint: string;
    [k: string]: unknown;
  }[];
  timestamp: string;
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * The payer cancelled a payment before it was made. Sent by the payments bot, once.
 */
export interface PaymentCancelledContent {
  msgtype: 'm.tween.payment';
  payment_type: 'cancelled';
  body: string;
  visual: {
    card_type: 'payment_request' | 'payment_receipt';
    icon: string;
    background_color: string;
    [k: string]: unknown;
  };
  payment_id: string;
  /**
   * The mini-app
   */
  miniapp_id: string;
  /**
   * What the ledger booked
   */
  txn_id?: string;
  status:
    | 'pending_authorization'
    | 'mfa_required'
    | 'authorized'
    | 'processing'
    | 'completed'
    | 'partially_refunded'
    | 'refunded'
    | 'cancelled'
    | 'expired'
    | 'failed';
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  transaction: {
    /**
     * The payment's id while nothing is booked
     */
    txn_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    [k: string]: unknown;
  };
  payment?: {
    payment_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    /**
     * Absent in encrypted rooms
     */
    description?: string;
    [k: string]: unknown;
  };
  merchant: {
    /**
     * The mini-app
     */
    miniapp_id: string;
    name: string;
    [k: string]: unknown;
  };
  /**
   * Who pays; of a refund the mini-app
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * Who is paid; of a refund the user
   */
  recipient: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * What it is for. Absent in encrypted rooms
   */
  note?: string;
  /**
   * Absent in encrypted rooms
   */
  merchant_order_id?: string;
  /**
   * Play money: the mini-app is not approved yet
   */
  sandbox?: true;
  actions?: {
    type: 'authorize' | 'view_receipt';
    label: string;
    /**
     * A path of this server
     */
    endpoint: string;
    [k: string]: unknown;
  }[];
  timestamp: string;
  /**
   * The request of this payment
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * A mini-app was paid: specification sections 4.11.4, 7.3.3 and 8.1.2. Sent by the payments bot, once.
 */
export interface PaymentCompletedContent {
  msgtype: 'm.tween.payment';
  payment_type: 'completed';
  body: string;
  visual: {
    card_type: 'payment_request' | 'payment_receipt';
    icon: string;
    background_color: string;
    [k: string]: unknown;
  };
  payment_id: string;
  /**
   * The mini-app
   */
  miniapp_id: string;
  /**
   * What the ledger booked
   */
  txn_id?: string;
  status:
    | 'pending_authorization'
    | 'mfa_required'
    | 'authorized'
    | 'processing'
    | 'completed'
    | 'partially_refunded'
    | 'refunded'
    | 'cancelled'
    | 'expired'
    | 'failed';
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  transaction: {
    /**
     * The payment's id while nothing is booked
     */
    txn_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    [k: string]: unknown;
  };
  payment?: {
    payment_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    /**
     * Absent in encrypted rooms
     */
    description?: string;
    [k: string]: unknown;
  };
  merchant: {
    /**
     * The mini-app
     */
    miniapp_id: string;
    name: string;
    [k: string]: unknown;
  };
  /**
   * Who pays; of a refund the mini-app
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * Who is paid; of a refund the user
   */
  recipient: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * What it is for. Absent in encrypted rooms
   */
  note?: string;
  /**
   * Absent in encrypted rooms
   */
  merchant_order_id?: string;
  /**
   * Play money: the mini-app is not approved yet
   */
  sandbox?: true;
  actions?: {
    type: 'authorize' | 'view_receipt';
    label: string;
    /**
     * A path of this server
     */
    endpoint: string;
    [k: string]: unknown;
  }[];
  timestamp: string;
  /**
   * The request of this payment
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * A payment was not authorized in time. Sent by the payments bot, once.
 */
export interface PaymentExpiredContent {
  msgtype: 'm.tween.payment';
  payment_type: 'expired';
  body: string;
  visual: {
    card_type: 'payment_request' | 'payment_receipt';
    icon: string;
    background_color: string;
    [k: string]: unknown;
  };
  payment_id: string;
  /**
   * The mini-app
   */
  miniapp_id: string;
  /**
   * What the ledger booked
   */
  txn_id?: string;
  status:
    | 'pending_authorization'
    | 'mfa_required'
    | 'authorized'
    | 'processing'
    | 'completed'
    | 'partially_refunded'
    | 'refunded'
    | 'cancelled'
    | 'expired'
    | 'failed';
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  transaction: {
    /**
     * The payment's id while nothing is booked
     */
    txn_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    [k: string]: unknown;
  };
  payment?: {
    payment_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    /**
     * Absent in encrypted rooms
     */
    description?: string;
    [k: string]: unknown;
  };
  merchant: {
    /**
     * The mini-app
     */
    miniapp_id: string;
    name: string;
    [k: string]: unknown;
  };
  /**
   * Who pays; of a refund the mini-app
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * Who is paid; of a refund the user
   */
  recipient: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * What it is for. Absent in encrypted rooms
   */
  note?: string;
  /**
   * Absent in encrypted rooms
   */
  merchant_order_id?: string;
  /**
   * Play money: the mini-app is not approved yet
   */
  sandbox?: true;
  actions?: {
    type: 'authorize' | 'view_receipt';
    label: string;
    /**
     * A path of this server
     */
    endpoint: string;
    [k: string]: unknown;
  }[];
  timestamp: string;
  /**
   * The request of this payment
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * The wallet refused a payment; a new attempt is a new payment (decision D8). Sent by the payments bot, once.
 */
export interface PaymentFailedContent {
  msgtype: 'm.tween.payment';
  payment_type: 'failed';
  body: string;
  visual: {
    card_type: 'payment_request' | 'payment_receipt';
    icon: string;
    background_color: string;
    [k: string]: unknown;
  };
  payment_id: string;
  /**
   * The mini-app
   */
  miniapp_id: string;
  /**
   * What the ledger booked
   */
  txn_id?: string;
  status:
    | 'pending_authorization'
    | 'mfa_required'
    | 'authorized'
    | 'processing'
    | 'completed'
    | 'partially_refunded'
    | 'refunded'
    | 'cancelled'
    | 'expired'
    | 'failed';
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  transaction: {
    /**
     * The payment's id while nothing is booked
     */
    txn_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    [k: string]: unknown;
  };
  payment?: {
    payment_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    /**
     * Absent in encrypted rooms
     */
    description?: string;
    [k: string]: unknown;
  };
  merchant: {
    /**
     * The mini-app
     */
    miniapp_id: string;
    name: string;
    [k: string]: unknown;
  };
  /**
   * Who pays; of a refund the mini-app
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * Who is paid; of a refund the user
   */
  recipient: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * What it is for. Absent in encrypted rooms
   */
  note?: string;
  /**
   * Absent in encrypted rooms
   */
  merchant_order_id?: string;
  /**
   * Play money: the mini-app is not approved yet
   */
  sandbox?: true;
  actions?: {
    type: 'authorize' | 'view_receipt';
    label: string;
    /**
     * A path of this server
     */
    endpoint: string;
    [k: string]: unknown;
  }[];
  timestamp: string;
  /**
   * The request of this payment
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  /**
   * A code of specification section 12.2
   */
  error_code: string;
  [k: string]: unknown;
}

/**
 * A payment went back, as a whole or in part: `amount` is what went back with this refund. Sent by the payments bot, once.
 */
export interface PaymentRefundedContent {
  msgtype: 'm.tween.payment';
  payment_type: 'refunded';
  body: string;
  visual: {
    card_type: 'payment_request' | 'payment_receipt';
    icon: string;
    background_color: string;
    [k: string]: unknown;
  };
  payment_id: string;
  /**
   * The mini-app
   */
  miniapp_id: string;
  /**
   * What the ledger booked
   */
  txn_id?: string;
  status:
    | 'pending_authorization'
    | 'mfa_required'
    | 'authorized'
    | 'processing'
    | 'completed'
    | 'partially_refunded'
    | 'refunded'
    | 'cancelled'
    | 'expired'
    | 'failed';
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  transaction: {
    /**
     * The payment's id while nothing is booked
     */
    txn_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    [k: string]: unknown;
  };
  payment?: {
    payment_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    /**
     * Absent in encrypted rooms
     */
    description?: string;
    [k: string]: unknown;
  };
  merchant: {
    /**
     * The mini-app
     */
    miniapp_id: string;
    name: string;
    [k: string]: unknown;
  };
  /**
   * Who pays; of a refund the mini-app
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * Who is paid; of a refund the user
   */
  recipient: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * What it is for. Absent in encrypted rooms
   */
  note?: string;
  /**
   * Absent in encrypted rooms
   */
  merchant_order_id?: string;
  /**
   * Play money: the mini-app is not approved yet
   */
  sandbox?: true;
  actions?: {
    type: 'authorize' | 'view_receipt';
    label: string;
    /**
     * A path of this server
     */
    endpoint: string;
    [k: string]: unknown;
  }[];
  timestamp: string;
  /**
   * The request of this payment
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  refund_id: string;
  /**
   * All that went back so far. Absent in encrypted rooms
   */
  refunded_minor?: number;
  /**
   * What was paid. Absent in encrypted rooms
   */
  payment_amount_minor?: number;
  /**
   * Absent in encrypted rooms
   */
  payment_currency?: string;
  [k: string]: unknown;
}

/**
 * A bot's request for a payment became one that the named payer can authorize (decision D11).
 */
export interface PaymentRequestAcceptedContent {
  payment_id: string;
  /**
   * The mini-app
   */
  miniapp_id: string;
  status: 'pending_authorization';
  payer: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  /**
   * Until when it can be authorized
   */
  expires_at: string;
  /**
   * The bot's own event
   */
  'm.relates_to': {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * A payment waits for its payer: specification section 8.1.2. Sent by the payments bot; or posted by a mini-app's registered bot (`miniapp_id`, `payer`, `payment`), which is answered with m.tween.payment.request.accepted or m.tween.error (decision D11).
 */
export interface PaymentRequestContent {
  msgtype?: 'm.tween.payment';
  body?: string;
  visual?: {
    card_type: 'payment_request' | 'payment_receipt';
    icon: string;
    background_color: string;
    [k: string]: unknown;
  };
  payment_id?: string;
  /**
   * The mini-app
   */
  miniapp_id: string;
  /**
   * What the ledger booked
   */
  txn_id?: string;
  status?:
    | 'pending_authorization'
    | 'mfa_required'
    | 'authorized'
    | 'processing'
    | 'completed'
    | 'partially_refunded'
    | 'refunded'
    | 'cancelled'
    | 'expired'
    | 'failed';
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  transaction?: {
    /**
     * The payment's id while nothing is booked
     */
    txn_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    [k: string]: unknown;
  };
  /**
   * What is to be paid. A bot gives `currency` and either `amount` or `amount_minor`
   */
  payment: {
    /**
     * Given by the server
     */
    payment_id?: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    description?: string;
    merchant_order_id?: string;
    [k: string]: unknown;
  };
  merchant?: {
    /**
     * The mini-app
     */
    miniapp_id: string;
    name: string;
    [k: string]: unknown;
  };
  /**
   * Who pays; of a refund the mini-app
   */
  sender?: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * Who is paid; of a refund the user
   */
  recipient?: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * What it is for. Absent in encrypted rooms
   */
  note?: string;
  /**
   * Absent in encrypted rooms
   */
  merchant_order_id?: string;
  /**
   * Play money: the mini-app is not approved yet
   */
  sandbox?: true;
  actions?: {
    type: 'authorize' | 'view_receipt';
    label: string;
    /**
     * A path of this server
     */
    endpoint: string;
    [k: string]: unknown;
  }[];
  timestamp?: string;
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id?: string;
  /**
   * Whom a bot asks to pay
   */
  payer?: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  /**
   * Until when it can be authorized
   */
  expires_at?: string;
  payment_type?: 'request';
  [k: string]: unknown;
}

/**
 * A payment was authorized and the wallet has not answered yet: specification section 4.11.3. Sent by the payments bot, once.
 */
export interface PaymentSentContent {
  msgtype: 'm.tween.payment';
  payment_type: 'sent';
  body: string;
  visual: {
    card_type: 'payment_request' | 'payment_receipt';
    icon: string;
    background_color: string;
    [k: string]: unknown;
  };
  payment_id: string;
  /**
   * The mini-app
   */
  miniapp_id: string;
  /**
   * What the ledger booked
   */
  txn_id?: string;
  status:
    | 'pending_authorization'
    | 'mfa_required'
    | 'authorized'
    | 'processing'
    | 'completed'
    | 'partially_refunded'
    | 'refunded'
    | 'cancelled'
    | 'expired'
    | 'failed';
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  transaction: {
    /**
     * The payment's id while nothing is booked
     */
    txn_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    [k: string]: unknown;
  };
  payment?: {
    payment_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    /**
     * Absent in encrypted rooms
     */
    description?: string;
    [k: string]: unknown;
  };
  merchant: {
    /**
     * The mini-app
     */
    miniapp_id: string;
    name: string;
    [k: string]: unknown;
  };
  /**
   * Who pays; of a refund the mini-app
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * Who is paid; of a refund the user
   */
  recipient: {
    /**
     * A Matrix user id
     */
    user_id?: string;
    /**
     * The mini-app
     */
    miniapp_id?: string;
    name?: string;
    [k: string]: unknown;
  };
  /**
   * What it is for. Absent in encrypted rooms
   */
  note?: string;
  /**
   * Absent in encrypted rooms
   */
  merchant_order_id?: string;
  /**
   * Play money: the mini-app is not approved yet
   */
  sandbox?: true;
  actions?: {
    type: 'authorize' | 'view_receipt';
    label: string;
    /**
     * A path of this server
     */
    endpoint: string;
    [k: string]: unknown;
  }[];
  timestamp: string;
  /**
   * The request of this payment
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * An account outside was linked to the wallet, verified or removed; in its user's notice room: specification section 6.5.
 */
export interface WalletExternalAccountContent {
  msgtype: 'm.tween.money';
  body: string;
  external_account_id: string;
  status: 'pending_verification' | 'verified' | 'failed' | 'removed';
  account_type: 'bank_account' | 'card' | 'digital_wallet' | 'mobile_money';
  last_four: string;
  /**
   * ISO 4217 code
   */
  currency: string;
  /**
   * Who moves the money; sandbox has no bank behind it
   */
  provider: string;
  /**
   * Whose it is
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  timestamp: string;
  /**
   * The event that announced it
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * Money from an account outside into the wallet, from its confirmation on, in its user's notice room: specification section 6.5.
 */
export interface WalletFundingContent {
  msgtype: 'm.tween.money';
  body: string;
  funding_id: string;
  status: 'processing' | 'completed' | 'failed';
  /**
   * Whole units: an integer where it is whole, else a decimal string. (decision D19)
   */
  amount: number | string;
  /**
   * The truth: minor units of the currency
   */
  amount_minor: number;
  /**
   * ISO 4217 code
   */
  currency: string;
  transaction: {
    txn_id?: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. (decision D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency
     */
    amount_minor?: number;
    /**
     * ISO 4217 code
     */
    currency?: string;
    [k: string]: unknown;
  };
  /**
   * Whose it is
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  /**
   * Who moves the money; sandbox has no bank behind it
   */
  provider: string;
  external_account: {
    external_account_id: string;
    account_type: 'bank_account' | 'card' | 'digital_wallet' | 'mobile_money';
    /**
     * The end of its number; the rest is never shown
     */
    last_four: string;
    [k: string]: unknown;
  };
  note?: string;
  /**
   * Why it failed
   */
  error_code?: string;
  timestamp: string;
  /**
   * The event that announced it
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * Money from one person to another: specification section 7.2.8. Sent by the payments bot, once for each transfer, when it is confirmed.
 */
export interface WalletP2PContent {
  msgtype: 'm.tween.money';
  body: string;
  transfer_id: string;
  /**
   * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
   */
  amount?: number | string;
  /**
   * The truth: minor units of the currency. Absent in encrypted rooms
   */
  amount_minor?: number;
  /**
   * ISO 4217 code. Absent in encrypted rooms
   */
  currency?: string;
  transaction: {
    txn_id: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. Absent in encrypted rooms (decisions D18, D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency. Absent in encrypted rooms
     */
    amount_minor?: number;
    /**
     * ISO 4217 code. Absent in encrypted rooms
     */
    currency?: string;
    [k: string]: unknown;
  };
  /**
   * What the payer wrote. Absent in encrypted rooms
   */
  note?: string;
  /**
   * Who pays
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  /**
   * Who is paid
   */
  recipient: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  status: 'completed' | 'pending_recipient_acceptance';
  recipient_acceptance_required: boolean;
  /**
   * Until when it can be accepted
   */
  expires_at?: string;
  actions?: {
    type: 'accept' | 'reject';
    label: string;
    /**
     * A path of this server
     */
    endpoint: string;
    [k: string]: unknown;
  }[];
  timestamp: string;
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * How a transfer that waited for its recipient ended: specification section 7.2.7.
 */
export interface WalletP2PStatusContent {
  transfer_id: string;
  status: 'completed' | 'rejected' | 'cancelled' | 'expired';
  accepted_at?: string;
  rejected_at?: string;
  cancelled_at?: string;
  expired_at?: string;
  /**
   * Who pays
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  /**
   * Who is paid
   */
  recipient: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  visual: {
    icon: string;
    color: string;
    status_text: string;
    [k: string]: unknown;
  };
  timestamp: string;
  /**
   * The event that announced it
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}

/**
 * A withdrawal to an account outside, from its confirmation on, in its user's notice room: specification section 6.6.
 */
export interface WalletWithdrawalContent {
  msgtype: 'm.tween.money';
  body: string;
  withdrawal_id: string;
  status: 'pending_approval' | 'processing' | 'completed' | 'failed' | 'cancelled' | 'expired';
  /**
   * Whole units: an integer where it is whole, else a decimal string. (decision D19)
   */
  amount: number | string;
  /**
   * The truth: minor units of the currency
   */
  amount_minor: number;
  /**
   * ISO 4217 code
   */
  currency: string;
  transaction: {
    txn_id?: string;
    /**
     * Whole units: an integer where it is whole, else a decimal string. (decision D19)
     */
    amount?: number | string;
    /**
     * The truth: minor units of the currency
     */
    amount_minor?: number;
    /**
     * ISO 4217 code
     */
    currency?: string;
    [k: string]: unknown;
  };
  /**
   * Whose it is
   */
  sender: {
    /**
     * A Matrix user id
     */
    user_id: string;
    [k: string]: unknown;
  };
  /**
   * Who moves the money; sandbox has no bank behind it
   */
  provider: string;
  external_account: {
    external_account_id: string;
    account_type: 'bank_account' | 'card' | 'digital_wallet' | 'mobile_money';
    /**
     * The end of its number; the rest is never shown
     */
    last_four: string;
    [k: string]: unknown;
  };
  note?: string;
  /**
   * Why it failed
   */
  error_code?: string;
  /**
   * Until when administrators can approve it
   */
  expires_at?: string;
  timestamp: string;
  /**
   * The event that announced it
   */
  'm.relates_to'?: {
    rel_type: 'm.reference';
    event_id: string;
    [k: string]: unknown;
  };
  /**
   * Identifies this delivery: the same in a repeat, if there ever is one
   */
  delivery_id: string;
  [k: string]: unknown;
}
